"""Retention: which batches have had their time, and the rounds that let go of them piece by piece."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import apsw

from app.brokers.sqlite.catalog import Catalog, PartitionState
from app.brokers.sqlite.inbox import Work
from app.brokers.sqlite.jobs import VACUUM_PAGES, Cut, drop_before, forget_dropped, vacuum
from app.brokers.sqlite.reader import Readers
from app.deadline import Clock
from app.topic import TopicConfigs

# What one transaction drops: records wait for it, so it has to end within some 20 ms.
PIECE_BYTES = 4 << 20
PIECE_ROWS = 500
# Unused pages are used again by what comes next; only when they are more than a quarter of the file it shrinks.
UNUSED_SHARE = 4

_OLDEST = "SELECT base_offset, count, max_timestamp, size FROM batch WHERE partition = ? ORDER BY base_offset LIMIT ?"
_ALL = TopicConfigs(retention_ms=-1, retention_bytes=0, max_message_bytes=0, compacted=False, deletes=True)
_UNKNOWN_SIZE = 2**63


class StoredBatch(NamedTuple):
    base_offset: int
    length: int
    max_timestamp_ms: int
    size: int


def cut(oldest: Sequence[StoredBatch], policy: TopicConfigs, size_bytes: int, now_ms: int) -> Cut | None:
    """How far the log of a partition of `size_bytes` may be cut: a batch leaves when its newest record is too old, or
    when what remains is still as large as is to be kept. At most one piece."""
    log_start, freed = None, 0
    for batch in oldest:
        too_old = 0 <= policy.retention_ms < now_ms - batch.max_timestamp_ms
        too_much = 0 <= policy.retention_bytes <= size_bytes - freed - batch.size
        if not (too_old or too_much) or freed >= PIECE_BYTES:
            break
        log_start = batch.base_offset + batch.length
        freed += batch.size
    return None if log_start is None else Cut(log_start, freed)


class Retention:
    """Lets go of what the topics' policies do not keep, and of what deleted topics left. `write` asks the writer."""

    def __init__(
        self, catalog: Catalog, readers: Readers, write: Callable[[Work], Awaitable[None]], clock: Clock
    ) -> None:
        self._catalog = catalog
        self._readers = readers
        self._write = write
        self._clock = clock

    async def round(self) -> None:
        """Everything once, in small transactions. Raises what reading and writing raise."""
        for topic in self._catalog.topics.values():
            for partition in topic.partitions:
                if _may_leave(partition, topic.policy):
                    await self._trim(partition.id, topic.policy)
        for partition_id in await self._readers.run(_dropped):
            await self._trim(partition_id, _ALL)
            await self._write(forget_dropped(partition_id))
        for _ in range(await self._readers.run(_pieces_unused)):
            await self._write(vacuum())

    async def _trim(self, partition_id: int, policy: TopicConfigs) -> None:
        while piece := await self._readers.run(partial(self._next_cut, partition_id, policy)):
            await self._write(drop_before(self._catalog, partition_id, piece))

    def _next_cut(self, partition_id: int, policy: TopicConfigs, db: apsw.Connection) -> Cut | None:
        oldest = [StoredBatch(*row) for row in db.execute(_OLDEST, (partition_id, PIECE_ROWS))]
        size_bytes = db.execute("SELECT size_bytes FROM partition WHERE id = ?", (partition_id,)).get
        return cut(oldest, policy, _UNKNOWN_SIZE if size_bytes is None else size_bytes, int(self._clock() * 1000))


def _may_leave(partition: PartitionState, policy: TopicConfigs) -> bool:
    too_much = 0 <= policy.retention_bytes < partition.size_bytes
    return policy.deletes and partition.size_bytes > 0 and (policy.retention_ms >= 0 or too_much)


def _dropped(db: apsw.Connection) -> list[int]:
    return [partition_id for (partition_id,) in db.execute("SELECT partition FROM dropped")]


def _pieces_unused(db: apsw.Connection) -> int:
    """How many pieces to give back now; none while most of the file is in use."""
    unused, pages = int(db.pragma("freelist_count")), int(db.pragma("page_count"))
    return unused // VACUUM_PAGES if unused * UNUSED_SHARE > pages else 0
