"""Reading: a few read-only connections in threads; each read is one statement, so one snapshot that ends with it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import apsw

from app.brokers.sqlite.batches import Batch, Corrupt, as_record, decode
from app.brokers.sqlite.schema import open_reader
from app.errors import NotFound, PollFailed
from app.group import GroupInfo, empty_group
from app.record import Fetched, Limit, Position, Record

T = TypeVar("T")
CONNECTIONS = 3

_PAGE = """
SELECT p.log_start, p.next_offset, b.base_offset, b.count, b.crc32, b.records
  FROM partition p
  LEFT JOIN batch b ON b.partition = p.id AND b.base_offset >=
       coalesce((SELECT max(base_offset) FROM batch WHERE partition = ?1 AND base_offset <= ?2), 0)
 WHERE p.id = ?1
 ORDER BY b.base_offset
"""
_GROUPS = """
SELECT consumer_group, topic.name, partition, next_offset FROM committed JOIN topic ON topic.id = committed.topic
ORDER BY consumer_group, topic.name, partition
"""
_SINCE = """
SELECT base_offset, count, crc32, records FROM batch WHERE partition = ? AND max_timestamp >= ? ORDER BY base_offset
"""
_END = "SELECT next_offset FROM partition WHERE id = ?"
_COMMITTED = "SELECT partition, next_offset FROM committed WHERE topic = ? AND consumer_group = ?"


class Readers:
    """A pool of `CONNECTIONS` reading threads."""

    def __init__(self, path: Path) -> None:
        """Raises apsw.Error."""
        self._idle: SimpleQueue[apsw.Connection] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(open_reader(path))
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="log-reader")

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """What `read` answers. Raises PollFailed when the file can't be read, what `read` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)

    def close(self) -> None:
        """End the threads once they are done; blocks. May be called again."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().close()

    def _run(self, read: Callable[[apsw.Connection], T]) -> T:
        db = self._idle.get()
        try:
            return read(db)
        except apsw.Error as error:
            raise PollFailed(f"the log file can't be read: {error}") from error
        finally:
            self._idle.put(db)


class Bounds(NamedTuple):
    """Of a partition, in the snapshot of a read."""

    log_start: int
    high_watermark: int


def read_page(db: apsw.Connection, partition_id: int, at: Position, limit: Limit) -> Fetched:
    """Records from `at.offset`, clamped to the log start. Raises NotFound, PollFailed, apsw.Error."""
    page = _Page(at, limit)
    bounds: Bounds | None = None
    with closing(db.cursor()) as cursor:
        for log_start, high_watermark, *batch in cursor.execute(_PAGE, (partition_id, at.offset)):
            bounds = Bounds(log_start, high_watermark)
            page.offset = max(page.offset, log_start)
            if page.is_full() or batch[0] is None or not page.add(Batch(*batch)):
                break
    if bounds is None:
        raise NotFound(f"topic '{at.topic}' does not exist")
    if not page.records and page.offset < bounds.high_watermark and limit.count > 0:
        raise page.failure("it is missing")
    return Fetched(page.records, page.offset, bounds.high_watermark, bounds.log_start)


def read_end(db: apsw.Connection, partition_id: int, at: Position) -> int:
    """The high watermark. Raises NotFound, apsw.Error."""
    end = db.execute(_END, (partition_id,)).get
    if end is None:
        raise NotFound(f"topic '{at.topic}' does not exist")
    return int(end)


def read_committed(db: apsw.Connection, topic_id: int, group: str) -> dict[int, int]:
    """Raises apsw.Error."""
    return dict(db.execute(_COMMITTED, (topic_id, group)))


def read_groups(db: apsw.Connection) -> list[GroupInfo]:
    """By name. Raises apsw.Error."""
    committed: dict[str, dict[tuple[str, int], int]] = {}
    for group, topic, number, offset in db.execute(_GROUPS):
        committed.setdefault(group, {})[topic, number] = offset
    return [empty_group(name, offsets) for name, offsets in committed.items()]


def first_since(db: apsw.Connection, partition_id: int, time_ms: int) -> int | None:
    """The offset of the partition's first record that is not older. Raises PollFailed, apsw.Error."""
    with closing(db.cursor()) as cursor:
        for batch in map(Batch._make, cursor.execute(_SINCE, (partition_id, time_ms))):
            try:
                for offset, found in decode(batch):
                    if found.timestamp_ms >= time_ms:
                        return offset
            except Corrupt as error:
                raise PollFailed(f"the batch at offset {batch.base_offset} can't be read: {error}") from error
    return None


class _Page:
    """The records of one read, and where it stands."""

    def __init__(self, at: Position, limit: Limit) -> None:
        self._at = at
        self._limit = limit
        self._size = 0
        self.offset = at.offset
        self.records: list[Record] = []

    def is_full(self) -> bool:
        return len(self.records) >= self._limit.count

    def add(self, batch: Batch) -> bool:
        """Take the batch's records, as far as the limits go; whether there may be more. Raises PollFailed.

        What was read before a damaged batch is answered first: the next read starts at the damage, and fails.
        """
        try:
            return self._add(batch)
        except Corrupt as error:
            if not self.records:
                raise self.failure(str(error)) from error
            return False

    def _add(self, batch: Batch) -> bool:
        if not batch.base_offset <= self.offset < batch.base_offset + batch.length:
            raise Corrupt("it is missing")
        for offset, found in decode(batch, self.offset - batch.base_offset):
            self._size += len(found.value or b"")
            if self.is_full() or (self.records and self._size > self._limit.max_bytes):
                return False
            self.records.append(as_record(offset, found))
            self.offset = offset + 1
        if not self.is_full():
            self.offset = batch.base_offset + batch.length
        return True

    def failure(self, reason: str) -> PollFailed:
        return PollFailed(
            f"the record at offset {self.offset} of topic '{self._at.topic}', partition {self._at.partition}, "
            f"can't be read: {reason}"
        )
