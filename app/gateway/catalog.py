"""Streams and topics: which there are, and new ones."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from app.broker import Log
from app.deadline import Clock, Deadline
from app.errors import AlreadyExists, Conflict, NotFound, ValidationFailed
from app.gateway.registry import Registry
from app.gateway.sight import Sight, in_sight
from app.names import NO_STREAM, TopicName, collision_key, is_internal, new_stream_name
from app.record import BATCH_HEADER
from app.topic import TopicConfigs, TopicInfo, TopicSpec

_FRESH_SECONDS = 1.0


class Stream(Struct, frozen=True):
    """A stream as clients see it. `created_ms` is None for one that only foreign topics tell of."""

    name: str
    created_ms: int | None
    topics_count: int
    messages_count: int
    size_bytes: int


class Topic(Struct, frozen=True):
    """A topic as clients see it: its address, when it was created (None: by others), the broker's description."""

    name: TopicName
    created_ms: int | None
    info: TopicInfo


class Defaults(NamedTuple):
    """The topic that `/messages` means, made at start when missing, and what new topics get."""

    topic: TopicName
    partitions: int
    retention_ms: int


class KnownTopic(NamedTuple):
    """What a send needs to know of its topic, read a moment ago: its records may take `room` bytes each in a batch."""

    partitions: int
    compacted: bool
    room: int
    until: float


class Catalog:
    """What there is on the log. `monotonic` is the clock of its short cache, `clock` that of creation times."""

    def __init__(self, log: Log, *, clock: Clock, monotonic: Callable[[], float], defaults: Defaults) -> None:
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._defaults = defaults
        self._registry = Registry(log)
        self._known: dict[str, KnownTopic] = {}

    async def start(self, deadline: Deadline) -> None:
        """Read the registry, and make the default stream and topic when missing. A lost race is fine."""
        await self._registry.start()
        topic = self._defaults.topic
        with contextlib.suppress(AlreadyExists):
            await self.create_stream(topic.stream, deadline)
        if topic.full not in await self._log.topics():
            with contextlib.suppress(AlreadyExists):
                await self.create_topic(topic, TopicSpec(topic.full, self._defaults.partitions), deadline)
        await self._log.prepare(topic.full)

    def known(self, name: TopicName) -> KnownTopic | None:
        """The topic, if it was looked up within the last second."""
        known = self._known.get(name.full)
        return known if known and known.until > self._monotonic() else None

    async def look_up(self, name: TopicName, *, fresh: bool = False) -> KnownTopic:
        """The topic as the broker knew it within the last second, or, `fresh`, is asked for it. Raises NotFound."""
        self.forget(name)
        partitions, configs = await self._log.layout(name.full, fresh=fresh)
        room = configs.max_message_bytes - BATCH_HEADER
        known = KnownTopic(partitions, configs.compacted, room, self._monotonic() + _FRESH_SECONDS)
        self._known[name.full] = known
        return known

    def forget(self, name: TopicName) -> None:
        """The topic turned out to be gone: ask the broker next time."""
        self._known.pop(name.full, None)

    async def streams(self, sight: Sight) -> list[Stream]:
        """Every stream in sight: those that were created, and those that only topics tell of. By name."""
        await self._registry.refresh()
        infos: dict[str, list[TopicInfo]] = {name: [] for name in self._registry.streams() if sight.sees_stream(name)}
        for info in await self._log.describe_many(in_sight(await self._visible(), sight)):
            infos.setdefault(TopicName.from_broker(info.name).stream, []).append(info)
        return [self._stream(name, infos[name]) for name in sorted(infos)]

    async def stream(self, name: str, sight: Sight) -> Stream:
        """With what is in sight of it. Raises NotFound."""
        topics = in_sight(await self._topics_of(name), sight)
        return self._stream(name, await self._log.describe_many(topics))

    async def topics(self, stream: str, sight: Sight) -> list[Topic]:
        """The stream's topics in sight, by name. Raises NotFound."""
        topics = in_sight(await self._topics_of(stream), sight)
        return [self._topic(info) for info in await self._log.describe_many(topics)]

    async def topic(self, name: TopicName) -> Topic:
        """Raises NotFound."""
        await self._registry.refresh()
        return self._topic(await self._log.describe(name.full))

    async def alter_topic(self, name: TopicName, partitions: int | None, configs: Mapping[str, str]) -> Topic:
        """More partitions, configurations merged into those it has. Raises NotFound, ValidationFailed."""
        await self._log.alter(name.full, partitions=partitions, configs=configs)
        self.forget(name)
        return await self.topic(name)

    async def delete_stream(self, name: str, deadline: Deadline) -> None:
        """With its topics. Raises NotFound, ValidationFailed for `-`."""
        topics = await self._topics_of(name)
        if name == NO_STREAM:
            raise ValidationFailed.of("stream", "'-' holds the topics without a stream and can't be deleted")
        for topic in topics:
            with contextlib.suppress(NotFound):  # somebody else was faster
                await self._delete_topic(topic, deadline)
        if self._registry.find(name):
            await self._registry.remove(name, self._now_ms(), deadline)

    async def delete_topic(self, name: TopicName, deadline: Deadline) -> None:
        """With its records and committed offsets. Raises NotFound."""
        await self._registry.refresh()
        await self._delete_topic(name.full, deadline)

    async def create_stream(self, name: str, deadline: Deadline) -> Stream:
        """Raises ValidationFailed, AlreadyExists."""
        new_stream_name(name)
        if await self._has_stream(name):
            raise AlreadyExists(f"stream '{name}' exists already")
        now_ms = self._now_ms()
        if not await self._registry.add(name, now_ms, deadline):
            raise AlreadyExists(f"stream '{name}' exists already")
        return Stream(name, now_ms, 0, 0, 0)

    async def create_topic(self, name: TopicName, spec: TopicSpec, deadline: Deadline) -> Topic:
        """Return when it can be used. Raises NotFound (the stream), AlreadyExists, Conflict, ValidationFailed."""
        if not await self._has_stream(name.stream):
            raise NotFound(f"stream '{name.stream}' does not exist")
        for other in await self._log.topics():
            if other != spec.name and collision_key(other) == collision_key(spec.name):
                raise Conflict(f"the name differs from topic '{other}' only by '.' against '_'")
        await self._log.create(self._with_defaults(spec))
        now_ms = self._now_ms()
        await self._registry.add(spec.name, now_ms, deadline)
        return Topic(name, now_ms, await self._log.describe(spec.name))

    async def _has_stream(self, name: str) -> bool:
        await self._registry.refresh()
        if self._registry.find(name):
            return True
        return any(topic.startswith(f"{name}.") for topic in await self._log.topics())

    async def _delete_topic(self, full: str, deadline: Deadline) -> None:
        self._known.pop(full, None)
        await self._log.delete(full)
        if self._registry.find(full):
            await self._registry.remove(full, self._now_ms(), deadline)

    async def _visible(self) -> list[str]:
        return sorted(name for name in await self._log.topics() if not is_internal(name))

    async def _topics_of(self, stream: str) -> list[str]:
        """The broker's names of a stream's topics. Raises NotFound."""
        await self._registry.refresh()
        topics = [name for name in await self._visible() if TopicName.from_broker(name).stream == stream]
        if not topics and not self._registry.find(stream):
            raise NotFound(f"stream '{stream}' does not exist")
        return topics

    def _stream(self, name: str, infos: Sequence[TopicInfo]) -> Stream:
        entry = self._registry.find(name)
        return Stream(
            name,
            entry.created_ms if entry else None,
            len(infos),
            sum(info.messages for info in infos),
            sum(info.size_bytes for info in infos),
        )

    def _topic(self, info: TopicInfo) -> Topic:
        entry = self._registry.find(info.name)
        return Topic(TopicName.from_broker(info.name), entry.created_ms if entry else None, info)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _with_defaults(self, spec: TopicSpec) -> TopicSpec:
        configs = dict(spec.configs)
        if TopicConfigs.read(configs).deletes:
            configs.setdefault("retention.ms", str(self._defaults.retention_ms))
        return TopicSpec(spec.name, spec.partitions, configs, spec.replication_factor)
