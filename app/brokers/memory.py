"""A log in memory: the whole contract, nothing on disk. For development, for tests, and for reading first."""

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.broker import BrokerKind
from app.brokers.compaction import Newest, is_due
from app.brokers.dedupe import DedupeWindow
from app.brokers.wakeups import Wakeups
from app.deadline import Clock, Deadline
from app.errors import AlreadyExists, NotFound
from app.group import GroupInfo, empty_group, find_group
from app.record import Fetched, Limit, NewRecord, Outcome, Position, Record, Written, record_size
from app.topic import (
    CompactionConfigs,
    PartitionInfo,
    TopicConfigs,
    TopicInfo,
    TopicLayout,
    TopicSpec,
    check_embedded,
    check_growth,
)


@dataclass(slots=True)
class _Partition:
    """`records` are in the order of their offsets, with holes where compaction was; up to `clean_to` it has been.

    `delete_at` is when the tombstones that it met may go, by offset.
    """

    records: list[Record] = field(default_factory=list)
    log_start: int = 0
    high_watermark: int = 0
    size: int = 0
    clean_to: int = 0
    delete_at: dict[int, int] = field(default_factory=dict)

    def append(self, record: Record) -> None:
        self.records.append(record)
        self.high_watermark = record.offset + 1
        self.size += _size(record)

    def index(self, offset: int) -> int:
        """Of the first record from this offset on."""
        return bisect_left(self.records, offset, key=lambda record: record.offset)

    def drop_oldest(self, count: int) -> None:
        if count:
            self.log_start = self.records[count - 1].offset + 1
            self.keep(self.records[count:])

    def keep(self, records: list[Record]) -> None:
        self.records = records
        self.size = sum(map(_size, records))


@dataclass(slots=True)
class _Topic:
    spec: TopicSpec
    configs: TopicConfigs
    partitions: list[_Partition]
    seen: DedupeWindow
    committed: dict[str, dict[int, int]] = field(default_factory=dict)


class MemoryBroker:
    """`Log` in this process's memory. Its clock is passed in; retention and compaction run every `retention_interval`
    seconds."""

    kind: BrokerKind = "memory"

    fault: str | None = None

    def __init__(
        self, *, clock: Clock, dedupe_window_secs: int, dedupe_max_ids: int, retention_interval: float = 30
    ) -> None:
        self._clock = clock
        self._window = dedupe_window_secs * 1000
        self._max_ids = dedupe_max_ids
        self._retention_interval = retention_interval
        self._topics: dict[str, _Topic] = {}
        self._wakeups = Wakeups()
        self._retention: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._retention = asyncio.create_task(self._retain_forever(), name="retention")

    async def close(self) -> None:
        if self._retention is not None:
            self._retention.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retention

    async def ping(self) -> None:
        return

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        target = self._topic(topic)
        for record in records:
            self._partition(topic, record.partition)
        now_ms = int(self._clock() * 1000)
        outcomes: list[Outcome] = [self._append(target, record, now_ms) for record in records]
        for partition in {record.partition for record in records}:
            self._wakeups.wake((topic, partition))
        return outcomes

    async def prepare(self, topic: str) -> None:
        self._topic(topic)

    async def fetch(self, at: Position, limit: Limit, wait: float = 0) -> Fetched:
        partition = self._partition(at.topic, at.partition)
        offset = _clamp(at.offset, partition)
        if wait and partition.index(offset) == len(partition.records):
            await self._wakeups.wait((at.topic, at.partition), wait)
            partition = self._partition(at.topic, at.partition)
            offset = _clamp(offset, partition)
        start = partition.index(offset)
        records: list[Record] = []
        size = 0
        for record in partition.records[start : start + limit.count]:
            size += len(record.value or b"")
            if records and size > limit.max_bytes:
                break
            records.append(record)
        behind = start + len(records) == len(partition.records)
        next_offset = partition.high_watermark if behind else (records[-1].offset + 1 if records else offset)
        return Fetched(records, next_offset, partition.high_watermark, partition.log_start)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        return dict(self._topic(topic).committed.get(group, {}))

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        for partition in offsets:
            self._partition(topic, partition)
        self._topic(topic).committed.setdefault(group, {}).update(offsets)

    async def check_free(self, group: str) -> None:
        """Nobody is a member of a group on this log."""

    async def forget(self, group: str, topic: str) -> None:
        self._topic(topic).committed.pop(group, None)

    async def offsets_at(self, topic: str, time_ms: int) -> dict[int, int]:
        return {
            number: next((r.offset for r in partition.records if r.timestamp_ms >= time_ms), partition.high_watermark)
            for number, partition in enumerate(self._topic(topic).partitions)
        }

    async def groups(self) -> list[GroupInfo]:
        committed: dict[str, dict[tuple[str, int], int]] = {}
        for topic, found in self._topics.items():
            for group, offsets in found.committed.items():
                committed.setdefault(group, {}).update({(topic, number): at for number, at in offsets.items()})
        return [empty_group(name, committed[name]) for name in sorted(committed)]

    async def group(self, name: str) -> GroupInfo:
        return find_group(name, await self.groups())

    async def nodes(self) -> int:
        return 1

    async def topics(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._topics.items()}

    async def layout(self, topic: str, *, fresh: bool = False) -> TopicLayout:
        found = self._topic(topic)
        return TopicLayout(len(found.partitions), found.configs)

    async def describe(self, topic: str) -> TopicInfo:
        found = self._topic(topic)
        return TopicInfo(
            name=topic,
            partitions=tuple(
                replace(PartitionInfo(number), log_start_offset=p.log_start, high_watermark=p.high_watermark)
                for number, p in enumerate(found.partitions)
            ),
            configs=dict(found.spec.configs),
            size_bytes=sum(p.size for p in found.partitions),
        )

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        known = self._topics
        return [await self.describe(topic) for topic in topics if topic in known]

    async def create(self, spec: TopicSpec) -> None:
        if spec.name in self._topics:
            raise AlreadyExists(f"topic '{spec.name}' exists already")
        self._topics[spec.name] = _Topic(
            spec=spec,
            configs=check_embedded(spec),
            partitions=[_Partition() for _ in range(spec.partitions)],
            seen=DedupeWindow(self._window, self._max_ids),
        )

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        found = self._topic(topic)
        count = check_growth(len(found.partitions), partitions)
        spec = replace(found.spec, partitions=count, configs={**found.spec.configs, **configs})
        found.configs = check_embedded(spec)
        found.spec = spec
        found.partitions += [_Partition() for _ in range(count - len(found.partitions))]

    async def delete(self, topic: str) -> None:
        self._topic(topic)
        del self._topics[topic]
        self._wakeups.wake_topic(topic)

    def _topic(self, topic: str) -> _Topic:
        if topic not in self._topics:
            raise NotFound(f"topic '{topic}' does not exist")
        return self._topics[topic]

    def _partition(self, topic: str, partition: int) -> _Partition:
        partitions = self._topic(topic).partitions
        if not 0 <= partition < len(partitions):
            raise NotFound(f"partition {partition} does not exist: topic '{topic}' has {len(partitions)}")
        return partitions[partition]

    def _append(self, topic: _Topic, record: NewRecord, now_ms: int) -> Written:
        if record.event_id and (first := topic.seen.find(record.event_id, now_ms)):
            return first
        partition = topic.partitions[record.partition]
        written = Written(record.partition, partition.high_watermark, record.timestamp_ms)
        partition.append(Record(written.offset, record.timestamp_ms, record.key, record.value, record.headers))
        if record.event_id:
            topic.seen.add({record.event_id: written})
        return written

    async def _retain_forever(self) -> None:
        while True:
            await asyncio.sleep(self._retention_interval)
            now_ms = int(self._clock() * 1000)
            for topic in self._topics.values():
                for partition in topic.partitions:
                    if topic.configs.deletes:
                        _retain(partition, topic.configs, now_ms)
                    if topic.configs.compacted:
                        _compact(partition, CompactionConfigs.read(topic.spec.configs), now_ms)


def _size(record: Record) -> int:
    return record_size(record.key, record.value, record.headers)


def _clamp(offset: int, partition: _Partition) -> int:
    return min(max(offset, partition.log_start), partition.high_watermark)


def _retain(partition: _Partition, configs: TopicConfigs, now_ms: int) -> None:
    """Drop what is too old, then what is too much, oldest first; as on Kafka never below the bytes to be kept."""
    too_old = 0
    if configs.retention_ms >= 0:
        for record in partition.records:
            if record.timestamp_ms >= now_ms - configs.retention_ms:
                break
            too_old += 1
    partition.drop_oldest(too_old)
    if configs.retention_bytes >= 0:
        excess = partition.size - configs.retention_bytes
        too_many = 0
        for record in partition.records:
            excess -= _size(record)
            if excess < 0:
                break
            too_many += 1
        partition.drop_oldest(too_many)


def _compact(partition: _Partition, configs: CompactionConfigs, now_ms: int) -> None:
    dirty = []
    for record in partition.records[partition.index(partition.clean_to) :]:
        if record.timestamp_ms > now_ms - configs.min_lag_ms:
            break
        dirty.append(record)
    oldest_ms = min((record.timestamp_ms for record in dirty), default=now_ms)
    dirty_bytes = sum(map(_size, dirty))
    if is_due(configs, dirty_bytes=dirty_bytes, all_bytes=partition.size, oldest_ms=oldest_ms, now_ms=now_ms):
        partition.clean_to = dirty[-1].offset + 1
    elif min(partition.delete_at.values(), default=now_ms + 1) > now_ms:
        return
    else:
        dirty = []
    newest = Newest(now_ms, configs.delete_retention_ms)
    for record in dirty:
        newest.add(record.offset, record.key)
    _clean(partition, newest)


def _clean(partition: _Partition, newest: Newest) -> None:
    behind = partition.index(partition.clean_to)
    before = partition.delete_at
    kept = [r for r in partition.records[:behind] if newest.keeps(r.offset, r.key, before.get(r.offset))]
    tombstones = [r.offset for r in kept if r.value is None and r.key is not None]
    partition.delete_at = {offset: before.get(offset, newest.delete_at_ms) for offset in tombstones}
    partition.keep(kept + partition.records[behind:])
