"""A log in memory: the whole contract, nothing on disk. For development, for tests, and for reading first."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.broker import BrokerKind, Membership, Sharer
from app.brokers.dedupe import DedupeWindow
from app.brokers.members import Members
from app.brokers.memory_partition import Partition, clamp, compact, retain
from app.brokers.wakeups import Wakeups
from app.deadline import Clock, Deadline
from app.errors import AlreadyExists, NotFound
from app.group import GroupInfo, empty_group, find_group
from app.record import Fetched, Limit, NewRecord, Outcome, Position, Record, Show, Written
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
class _Topic:
    spec: TopicSpec
    configs: TopicConfigs
    partitions: list[Partition]
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
        self._members = Members(self._commit, lambda topic: len(self._topic(topic).partitions))
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
        touched = {record.partition for record in records}
        for partition in touched:
            self._partition(topic, partition)
        ids = [record.event_id for record in records if record.event_id]
        if len(set(ids)) == len(ids) and target.seen.ids.isdisjoint(ids):
            outcomes: list[Outcome] = _append_all(target, records)
        else:
            now_ms = int(self._clock() * 1000)
            outcomes = [_first(target, record, now_ms) or _append_all(target, [record])[0] for record in records]
        for partition in touched:
            self._wakeups.wake((topic, partition))
        return outcomes

    async def prepare(self, topic: str) -> None:
        self._topic(topic)

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        partition = self._partition(at.topic, at.partition)
        offset = clamp(at.offset, partition)
        if wait and partition.index(offset) == len(partition.records):
            await self._wakeups.wait((at.topic, at.partition), wait)
            partition = self._partition(at.topic, at.partition)
            offset = clamp(offset, partition)
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
        return Fetched(records, next_offset, partition.high_watermark, partition.log_start).shown_by(show)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        return dict(self._topic(topic).committed.get(group, {}))

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        self._members.check_free(group)
        await self._commit(group, topic, offsets)

    async def _commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        for partition in offsets:
            self._partition(topic, partition)
        self._topic(topic).committed.setdefault(group, {}).update(offsets)

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        self._topic(topic)
        return await self._members.join(group, topic, sharer)

    async def check_free(self, group: str) -> None:
        self._members.check_free(group)

    async def forget(self, group: str, topic: str) -> None:
        self._members.check_free(group)
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
        return self._members.groups([empty_group(name, offsets) for name, offsets in committed.items()])

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
            partitions=[Partition() for _ in range(spec.partitions)],
            seen=DedupeWindow(self._window, self._max_ids),
        )

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        found = self._topic(topic)
        count = check_growth(len(found.partitions), partitions)
        spec = replace(found.spec, partitions=count, configs={**found.spec.configs, **configs})
        found.configs = check_embedded(spec)
        found.spec = spec
        found.partitions += [Partition() for _ in range(count - len(found.partitions))]
        await self._members.changed(topic)

    async def delete(self, topic: str) -> None:
        self._topic(topic)
        del self._topics[topic]
        self._wakeups.wake_topic(topic)

    def _topic(self, topic: str) -> _Topic:
        if topic not in self._topics:
            raise NotFound(f"topic '{topic}' does not exist")
        return self._topics[topic]

    def _partition(self, topic: str, partition: int) -> Partition:
        partitions = self._topic(topic).partitions
        if not 0 <= partition < len(partitions):
            raise NotFound(f"partition {partition} does not exist: topic '{topic}' has {len(partitions)}")
        return partitions[partition]

    async def _retain_forever(self) -> None:
        while True:
            await asyncio.sleep(self._retention_interval)
            now_ms = int(self._clock() * 1000)
            for topic in self._topics.values():
                for partition in topic.partitions:
                    if topic.configs.deletes:
                        retain(partition, topic.configs, now_ms)
                    if topic.configs.compacted:
                        compact(partition, CompactionConfigs.read(topic.spec.configs), now_ms)


def _first(topic: _Topic, record: NewRecord, now_ms: int) -> Outcome | None:
    """Where a repeat was written first."""
    return topic.seen.find(record.event_id, now_ms) if record.event_id else None


def _append_all(topic: _Topic, records: Sequence[NewRecord]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    fresh: dict[str, Written] = {}
    for record in records:
        partition = topic.partitions[record.partition]
        written = Written(record.partition, partition.high_watermark, record.timestamp_ms)
        partition.append(Record(written.offset, record.timestamp_ms, record.key, record.value, record.headers))
        outcomes.append(written)
        if record.event_id:
            fresh[record.event_id] = written
    topic.seen.add(fresh)
    return outcomes
