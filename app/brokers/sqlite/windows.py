"""Filling the dedupe windows when a log is opened, from the ids in the newest batches."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import apsw

from app.brokers.sqlite.batches import Batch, Corrupt, decode
from app.brokers.sqlite.catalog import Catalog, PartitionState, TopicState
from app.record import Written

_NEWEST_FIRST = """
SELECT written_at, base_offset, count, crc32, records FROM batch WHERE partition = ? ORDER BY base_offset DESC
"""


class _Dated(NamedTuple):
    written_at: int
    partition: int
    batch: Batch


def fill_windows(db: apsw.Connection, catalog: Catalog, now_ms: int) -> None:
    """Remember what was written within the window, at most `max_ids` a topic. Raises apsw.Error."""
    if catalog.window_ms:
        for topic in catalog.topics.values():
            _fill(db, topic, now_ms - catalog.window_ms, catalog.max_ids)


def _fill(db: apsw.Connection, topic: TopicState, after_ms: int, max_ids: int) -> None:
    newest: list[tuple[str, Written]] = []
    tails = (_tail(db, partition, after_ms) for partition in topic.partitions)
    for dated in heapq.merge(*tails, key=lambda dated: dated.written_at, reverse=True):
        newest += reversed(list(_ids(dated)))
        if len(newest) >= max_ids:
            break
    topic.seen.add({event_id: at for event_id, at in reversed(newest) if at.timestamp_ms > after_ms})


def _tail(db: apsw.Connection, partition: PartitionState, after_ms: int) -> Iterator[_Dated]:
    for written_at, *batch in db.execute(_NEWEST_FIRST, (partition.id,)):
        if written_at <= after_ms:
            return
        yield _Dated(written_at, partition.number, Batch(*batch))


def _ids(dated: _Dated) -> Iterator[tuple[str, Written]]:
    try:
        records = list(decode(dated.batch))
    except Corrupt:
        return  # a read of this batch says so; its ids are lost
    for offset, record in records:
        if record.event_id:
            yield record.event_id, Written(dated.partition, offset, record.timestamp_ms)
