"""Compaction of the file: batches are rewritten with holes where records were, in small transactions.

What is written within the dedupe window stays, whatever supersedes it: the window is filled from the log itself, so a
repeat is known for as long as promised, after a restart too.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import apsw
import msgspec

from app.brokers.compaction import Newest, is_due
from app.brokers.sqlite.batches import HOLE, Batch, Corrupt, StoredRecord, decode, decode_one, encode, places, to_go_at
from app.brokers.sqlite.catalog import Catalog, PartitionState, TopicState
from app.brokers.sqlite.inbox import Work
from app.brokers.sqlite.jobs import Rewritten, rewrite
from app.brokers.sqlite.reader import Readers
from app.deadline import Clock
from app.topic import CompactionConfigs

# What one transaction rewrites: records wait for it.
PIECE_BYTES = 1 << 20
MOST_KEYS = 500_000
"""Held in memory in one round over a partition; what lies behind them waits for the next round."""

_SIZES = """
SELECT base_offset + count, size, written_at FROM batch WHERE partition = ? AND base_offset >= ? ORDER BY base_offset
"""
_BATCHES = """
SELECT base_offset, count, crc32, records, max_timestamp FROM batch
 WHERE partition = ? AND base_offset >= ? AND base_offset < ? ORDER BY base_offset
"""


class _Progress(NamedTuple):
    """How far a partition is compacted, and when the first of its tombstones may go."""

    clean_to: int = 0
    tombstone_due_ms: int | None = None


class _Piece(NamedTuple):
    rewritten: list[Rewritten]
    next_offset: int
    tombstone_due_ms: int | None


class Compaction:
    """Compacts topics whose policy says so. `write` asks the writer. Progress is kept in memory: after a restart the
    first round looks at everything once."""

    def __init__(
        self, catalog: Catalog, readers: Readers, write: Callable[[Work], Awaitable[None]], clock: Clock
    ) -> None:
        self._catalog = catalog
        self._readers = readers
        self._write = write
        self._clock = clock
        self._progress: dict[int, _Progress] = {}

    async def round(self) -> None:
        """Everything that is due, once. Raises what reading and writing raise."""
        compacted = [topic for topic in self._catalog.topics.values() if topic.policy.compacted]
        known = {partition.id for topic in compacted for partition in topic.partitions}
        self._progress = {number: progress for number, progress in self._progress.items() if number in known}
        for topic in compacted:
            for partition in topic.partitions:
                await self._compact(topic, partition)

    async def _compact(self, topic: TopicState, partition: PartitionState) -> None:
        progress = self._progress.get(partition.id, _Progress())
        now_ms = int(self._clock() * 1000)
        due = progress.tombstone_due_ms is not None and progress.tombstone_due_ms <= now_ms
        if progress.clean_to >= partition.next_offset and not due:
            return
        configs = CompactionConfigs.read(topic.configs)
        end = await self._readers.run(partial(self._end, partition, progress.clean_to, configs, now_ms))
        if end is None:
            if not due:
                return
            end = progress.clean_to
        newest = Newest(now_ms, configs.delete_retention_ms)
        end = await self._readers.run(partial(_gather, newest, partition.id, progress.clean_to, end))
        self._progress[partition.id] = _Progress(end, await self._clean(partition, newest, end))

    def _end(
        self, partition: PartitionState, start: int, configs: CompactionConfigs, now_ms: int, db: apsw.Connection
    ) -> int | None:
        """Where the part that may be compacted ends; None while that is not worth it."""
        youngest_ms = now_ms - max(configs.min_lag_ms, self._catalog.window_ms)
        dirty_bytes, oldest_ms, end = 0, now_ms, None
        with closing(db.cursor()) as cursor:
            for behind, size, written_at in cursor.execute(_SIZES, (partition.id, start)):
                if written_at > youngest_ms:
                    break
                oldest_ms = min(oldest_ms, written_at)
                dirty_bytes += size
                end = behind
        worth_it = is_due(
            configs, dirty_bytes=dirty_bytes, all_bytes=partition.size_bytes, oldest_ms=oldest_ms, now_ms=now_ms
        )
        return end if worth_it else None

    async def _clean(self, partition: PartitionState, newest: Newest, end: int) -> int | None:
        """Rewrite what `newest` does not keep; answers when the first of the tombstones that stay may go."""
        offset, dues = partition.log_start, []
        while offset < end:
            piece = await self._readers.run(partial(_next_piece, newest, partition.id, offset, end))
            if piece.rewritten:
                await self._write(rewrite(self._catalog, partition.id, piece.rewritten))
            if piece.tombstone_due_ms is not None:
                dues.append(piece.tombstone_due_ms)
            offset = piece.next_offset
        return min(dues, default=None)


def _gather(newest: Newest, partition_id: int, start: int, end: int, db: apsw.Connection) -> int:
    """Note the keys from `start` to `end`, or to where there are too many of them; answers how far it came."""
    with closing(db.cursor()) as cursor:
        for *row, _ in cursor.execute(_BATCHES, (partition_id, start, end)):
            batch = Batch(*row)
            if len(newest) >= MOST_KEYS:
                return batch.base_offset
            for offset, found in _readable(batch):
                newest.add(offset, found.key)
    return end


def _readable(batch: Batch) -> Iterator[tuple[int, StoredRecord]]:
    """Its records; of a damaged batch none: it stays as it is, and a read says so."""
    try:
        yield from decode(batch)
    except Corrupt:
        return


def _next_piece(newest: Newest, partition_id: int, start: int, end: int, db: apsw.Connection) -> _Piece:
    rewritten: list[Rewritten] = []
    dues: list[int] = []
    size, next_offset = 0, end
    with closing(db.cursor()) as cursor:
        for *row, max_timestamp in cursor.execute(_BATCHES, (partition_id, start, end)):
            batch = Batch(*row)
            if size >= PIECE_BYTES:
                next_offset = batch.base_offset
                break
            size += len(batch.records)
            new, due = _rewritten(newest, batch, max_timestamp)
            dues += due
            if new is not None:
                rewritten.append(new)
    return _Piece(_merged(rewritten), next_offset, min(dues, default=None))


def _rewritten(newest: Newest, batch: Batch, max_timestamp: int) -> tuple[Rewritten | None, list[int]]:
    """The batch as it shall be, None when nothing changes; and when the tombstones that stay in it may go."""
    try:
        raws = places(batch)
        kept, times, dues = _kept(newest, batch.base_offset, raws)
    except Corrupt:
        return None, []
    if raws and kept == raws:
        return None, dues
    crc, blob = encode(kept if times else [])
    latest = max(times, default=max_timestamp)
    return Rewritten(batch.base_offset, batch.length, latest, crc, blob, len(batch.records), 1), dues


def _kept(
    newest: Newest, base_offset: int, raws: Sequence[msgspec.Raw]
) -> tuple[list[msgspec.Raw], list[int], list[int]]:
    """What stands at each place afterwards; the times of the records that stay; and when their tombstones may go."""
    kept, times, dues = [], [], []
    for offset, raw in enumerate(raws, base_offset):
        found = None if raw == HOLE else decode_one(raw)
        if found is None or not newest.keeps(offset, found.key, found.delete_at_ms):
            kept.append(HOLE)
            continue
        times.append(found.timestamp_ms)
        if found.value is not None or found.key is None:
            kept.append(raw)
        elif found.delete_at_ms is not None:
            kept.append(raw)
            dues.append(found.delete_at_ms)
        else:
            kept.append(to_go_at(found, newest.delete_at_ms))
            dues.append(newest.delete_at_ms)
    return kept, times, dues


def _merged(rewritten: Sequence[Rewritten]) -> list[Rewritten]:
    """Neighbours of which nothing is left become one: else a log of a few keys would be a file of empty batches."""
    merged: list[Rewritten] = []
    for new in rewritten:
        last = merged[-1] if merged else None
        if last and last.is_empty and new.is_empty and last.base_offset + last.length == new.base_offset:
            merged[-1] = last._replace(
                length=last.length + new.length,
                max_timestamp_ms=max(last.max_timestamp_ms, new.max_timestamp_ms),
                old_size=last.old_size + new.old_size,
                batches=last.batches + new.batches,
            )
        else:
            merged.append(new)
    return [new for new in merged if new.batches > 1 or not (new.is_empty and new.old_size == len(new.records))]
