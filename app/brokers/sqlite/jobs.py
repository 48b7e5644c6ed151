"""Changes other than records: topics come and go, groups commit, old batches leave or are compacted.

Each is work for the writer's transaction. It looks first, then writes; the catalog changes once it is committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import apsw
import msgspec

from app.brokers.sqlite.catalog import Catalog, PartitionState, TopicState
from app.brokers.sqlite.inbox import Done, Work
from app.brokers.wakeups import PartitionKey
from app.errors import AlreadyExists
from app.topic import TopicConfigs, TopicSpec, check_embedded, check_growth

VACUUM_PAGES = 256  # 1 MiB: a few milliseconds

_REWRITE = """
UPDATE batch SET count = ?, max_timestamp = ?, size = ?, crc32 = ?, records = ? WHERE partition = ? AND base_offset = ?
"""
_MERGE = "DELETE FROM batch WHERE partition = ? AND base_offset > ? AND base_offset < ?"


class Cut(NamedTuple):
    """Where a partition's log starts afterwards, if later than now, and the bytes that leave."""

    log_start: int
    freed: int


class Rewritten(NamedTuple):
    """What stands from `base_offset` on instead of so many `batches` of so many bytes (`old_size`)."""

    base_offset: int
    length: int
    max_timestamp_ms: int
    crc32: int
    records: bytes
    old_size: int
    batches: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left: see `batches.places`."""
        return len(self.records) == 1


def create_topic(catalog: Catalog, spec: TopicSpec, policy: TopicConfigs) -> Work:
    """Raises AlreadyExists."""

    def work(db: apsw.Connection) -> Done:
        if spec.name in catalog.topics:
            raise AlreadyExists(f"topic '{spec.name}' exists already")
        db.execute("INSERT INTO topic (name, configs) VALUES (?, ?)", (spec.name, _json(spec.configs)))
        topic_id = db.last_insert_rowid()
        partitions = _new_partitions(db, topic_id, range(spec.partitions))
        topic = TopicState(topic_id, spec.name, dict(spec.configs), policy, partitions, seen=catalog.new_window())
        return partial(_added, catalog, topic)

    return work


def alter_topic(catalog: Catalog, name: str, partitions: int | None, configs: Mapping[str, str]) -> Work:
    """Raises NotFound, ValidationFailed."""

    def work(db: apsw.Connection) -> Done:
        topic = catalog.topic(name)
        count = check_growth(len(topic.partitions), partitions)
        spec = TopicSpec(name, count, {**topic.configs, **configs})
        policy = check_embedded(spec)
        db.execute("UPDATE topic SET configs = ? WHERE id = ?", (_json(spec.configs), topic.id))
        more = _new_partitions(db, topic.id, range(len(topic.partitions), count))
        altered = replace(topic, configs=spec.configs, policy=policy, partitions=(*topic.partitions, *more))
        return partial(_added, catalog, altered)

    return work


def delete_topic(catalog: Catalog, name: str) -> Work:
    """Raises NotFound. The batches leave later, in pieces: their partition's id is never used again."""

    def work(db: apsw.Connection) -> Done:
        topic = catalog.topic(name)
        key = (topic.id,)
        db.execute("INSERT INTO dropped SELECT id FROM partition WHERE topic = ?", key)
        db.execute("DELETE FROM committed WHERE topic = ?", key)
        db.execute("DELETE FROM partition WHERE topic = ?", key)
        db.execute("DELETE FROM topic WHERE id = ?", key)
        return partial(_removed, catalog, topic)

    return work


def commit_offsets(catalog: Catalog, group: str, name: str, offsets: Mapping[int, int]) -> Work:
    """Raises NotFound."""

    def work(db: apsw.Connection) -> Done:
        topic = catalog.topic(name)
        for number in offsets:
            topic.partition(number)
        db.executemany(
            "INSERT INTO committed VALUES (?, ?, ?, ?) "
            "ON CONFLICT (topic, consumer_group, partition) DO UPDATE SET next_offset = excluded.next_offset",
            [(topic.id, group, number, offset) for number, offset in offsets.items()],
        )
        return _nothing_more

    return work


def forget_offsets(catalog: Catalog, group: str, name: str) -> Work:
    """Raises NotFound."""

    def work(db: apsw.Connection) -> Done:
        db.execute("DELETE FROM committed WHERE topic = ? AND consumer_group = ?", (catalog.topic(name).id, group))
        return _nothing_more

    return work


def ping() -> Work:
    """Nothing, but the writer has to be able to begin a transaction."""
    return lambda _db: _nothing_more


def drop_before(catalog: Catalog, partition_id: int, cut: Cut) -> Work:
    """Let go of the oldest batches of a partition, or of what was one."""

    def work(db: apsw.Connection) -> Done:
        db.execute("DELETE FROM batch WHERE partition = ? AND base_offset < ?", (partition_id, cut.log_start))
        db.execute(
            "UPDATE partition SET log_start = ?, size_bytes = size_bytes - ? WHERE id = ?",
            (cut.log_start, cut.freed, partition_id),
        )
        return partial(_moved, catalog, partition_id, cut)

    return work


def rewrite(catalog: Catalog, partition_id: int, rewritten: Sequence[Rewritten]) -> Work:
    """Put compacted batches in the place of what they were made of."""

    def work(db: apsw.Connection) -> Done:
        for new in rewritten:
            size = len(new.records)
            db.execute(_REWRITE, (new.length, new.max_timestamp_ms, size, new.crc32, new.records, partition_id, new[0]))
            if new.batches > 1:
                db.execute(_MERGE, (partition_id, new.base_offset, new.base_offset + new.length))
        freed = sum(new.old_size - len(new.records) for new in rewritten)
        db.execute("UPDATE partition SET size_bytes = size_bytes - ? WHERE id = ?", (freed, partition_id))
        return partial(_moved, catalog, partition_id, Cut(0, freed))

    return work


def forget_dropped(partition_id: int) -> Work:
    """Nothing is left of this partition of a deleted topic."""

    def work(db: apsw.Connection) -> Done:
        db.execute("DELETE FROM dropped WHERE partition = ?", (partition_id,))
        return _nothing_more

    return work


def vacuum() -> Work:
    """Give a piece of the file's unused pages back to the file system."""

    def work(db: apsw.Connection) -> Done:
        db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return _nothing_more

    return work


def _nothing_more() -> Iterable[PartitionKey]:
    return ()


def _new_partitions(db: apsw.Connection, topic_id: int, numbers: range) -> tuple[PartitionState, ...]:
    made = []
    for number in numbers:
        db.execute("INSERT INTO partition (topic, number) VALUES (?, ?)", (topic_id, number))
        made.append(PartitionState(db.last_insert_rowid(), number))
    return tuple(made)


def _json(configs: Mapping[str, str]) -> str:
    return msgspec.json.encode(dict(configs)).decode()


def _added(catalog: Catalog, topic: TopicState) -> Iterable[PartitionKey]:
    catalog.add(topic)
    return ()


def _removed(catalog: Catalog, topic: TopicState) -> Iterable[PartitionKey]:
    catalog.remove(topic.name)
    return [(topic.name, partition.number) for partition in topic.partitions]


def _moved(catalog: Catalog, partition_id: int, cut: Cut) -> Iterable[PartitionKey]:
    for topic in catalog.topics.values():
        for partition in topic.partitions:
            if partition.id == partition_id:
                partition.log_start = max(partition.log_start, cut.log_start)
                partition.size_bytes -= cut.freed
    return ()
