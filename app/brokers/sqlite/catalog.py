"""Topics and partitions as the last commit left them, in memory.

Changed by the writer thread alone, after a commit; read by everybody. Each change is one assignment of a finished
value, so a reader sees the state before it or after it, never between.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import apsw
import msgspec

from app.brokers.dedupe import DedupeWindow
from app.errors import NotFound
from app.topic import PartitionInfo, TopicConfigs, TopicInfo


@dataclass(slots=True, eq=False)
class PartitionState:
    """`next_offset` is the high watermark; `size_bytes` what its batches take."""

    id: int
    number: int
    log_start: int = 0
    next_offset: int = 0
    size_bytes: int = 0

    def clamp(self, offset: int) -> int:
        return min(max(offset, self.log_start), self.next_offset)


@dataclass(frozen=True, slots=True, eq=False)
class TopicState:
    """`seen` belongs to the writer thread."""

    id: int
    name: str
    configs: Mapping[str, str]
    policy: TopicConfigs
    partitions: tuple[PartitionState, ...]
    seen: DedupeWindow

    def partition(self, number: int) -> PartitionState:
        """Raises NotFound."""
        if not 0 <= number < len(self.partitions):
            raise NotFound(f"partition {number} does not exist: topic '{self.name}' has {len(self.partitions)}")
        return self.partitions[number]

    def describe(self) -> TopicInfo:
        return TopicInfo(
            name=self.name,
            partitions=tuple(
                PartitionInfo(p.number, log_start_offset=p.log_start, high_watermark=p.next_offset)
                for p in self.partitions
            ),
            configs=dict(self.configs),
            size_bytes=sum(p.size_bytes for p in self.partitions),
        )


class Catalog:
    """All topics by name, each with a dedupe window of `window_ms` and `max_ids`."""

    def __init__(self, window_ms: int, max_ids: int) -> None:
        self.window_ms = window_ms
        self.max_ids = max_ids
        self.topics: Mapping[str, TopicState] = {}

    def topic(self, name: str) -> TopicState:
        """Raises NotFound."""
        found = self.topics.get(name)
        if found is None:
            raise NotFound(f"topic '{name}' does not exist")
        return found

    def add(self, topic: TopicState) -> None:
        self.topics = {**self.topics, topic.name: topic}

    def remove(self, name: str) -> None:
        self.topics = {other: topic for other, topic in self.topics.items() if other != name}

    def new_window(self) -> DedupeWindow:
        return DedupeWindow(self.window_ms, self.max_ids)

    def load(self, db: apsw.Connection) -> None:
        """Read everything from the file again; windows of topics already known are kept. Raises apsw.Error."""
        windows = {topic.id: topic.seen for topic in self.topics.values()}
        partitions: dict[int, list[PartitionState]] = {}
        rows = "SELECT topic, id, number, log_start, next_offset, size_bytes FROM partition ORDER BY topic, number"
        for topic_id, *state in db.execute(rows):
            partitions.setdefault(topic_id, []).append(PartitionState(*state))
        topics: dict[str, TopicState] = {}
        for topic_id, name, text in db.execute("SELECT id, name, configs FROM topic"):
            configs = msgspec.json.decode(text, type=dict[str, str])
            topics[name] = TopicState(
                id=topic_id,
                name=name,
                configs=configs,
                policy=TopicConfigs.read(configs),
                partitions=tuple(partitions.get(topic_id, ())),
                seen=windows.get(topic_id) or self.new_window(),
            )
        self.topics = topics
