"""The contract on a Kafka cluster: each part in its own module, put together here."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from app.broker import BrokerKind, Membership, Sharer
from app.brokers.kafka.admin import Admin
from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.errors import kafka_errors
from app.brokers.kafka.groups import Groups
from app.brokers.kafka.memberships import Memberships
from app.brokers.kafka.offsets import Offsets
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.overview import Overview
from app.brokers.kafka.producing import Producing
from app.brokers.kafka.reading import LATEST, Reading
from app.brokers.kafka.repeats import Repeats
from app.deadline import Clock
from app.group import GroupInfo
from app.record import Fetched, Limit, Position, Show
from app.topic import TopicInfo, TopicLayout, TopicSpec

PING_TIMEOUT = 3.0


class KafkaBroker:
    """`Log` on Kafka 3 or later. Can be closed and opened again. Its dedupe window lives in the process.

    `publish` raises Disconnected only when nothing was handed over: nothing is written then, now or later.
    """

    kind: BrokerKind = "kafka"

    def __init__(
        self, options: KafkaOptions, *, clock: Clock = time.time, dedupe_window_secs: int = 0, dedupe_max_ids: int = 0
    ) -> None:
        self._clock = clock
        self._connection = Connection(options)
        self._directory = Directory(self._connection)
        self._reading = Reading(self._connection, self._directory)
        repeats = Repeats(self._directory, self._reading, window_ms=dedupe_window_secs * 1000, max_ids=dedupe_max_ids)
        self._producing = Producing(options, self._directory, repeats)
        self._offsets = Offsets(self._connection, self._directory)
        self._groups = Groups(self._offsets)
        self._memberships = Memberships(options)
        overview = Overview(self._connection, self._directory)
        self.publish = self._producing.publish
        self.spread = self._producing.spread
        self._admin = Admin(options, self._connection, self._directory, self._reading, self._offsets, overview)

    @property
    def fault(self) -> str | None:
        return self._producing.fault

    async def open(self) -> None:
        try:
            await self._connection.open()
            await self._producing.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._memberships.close()
        await self._producing.close()
        await self._reading.close()
        await self._connection.close()
        self._directory.clear()
        self._groups.clear()

    async def ping(self) -> None:
        with kafka_errors("a ping"):
            async with asyncio.timeout(PING_TIMEOUT):
                await self._connection.metadata([])

    async def prepare(self, topic: str) -> None:
        await self._producing.prepare(topic, int(self._clock() * 1000))

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        return await self._reading.fetch(at, limit, wait, show)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        return await self._offsets.committed(group, topic)

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        await self._offsets.commit(group, topic, offsets)

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        await self._directory.partitions(topic)
        return await self._memberships.join(group, topic, sharer)

    async def check_free(self, group: str) -> None:
        await self._groups.check_free(group)

    async def forget(self, group: str, topic: str) -> None:
        await self._offsets.forget(group, topic)

    async def offsets_at(self, topic: str, time_ms: int) -> dict[int, int]:
        ends = await self._reading.ends(topic, LATEST)
        found = await self._reading.ends(topic, time_ms)
        return {number: found[number] if found.get(number, -1) >= 0 else end for number, end in ends.items()}

    async def layout(self, topic: str, *, fresh: bool = False) -> TopicLayout:
        directory = self._directory
        partitions = await (directory.again(topic) if fresh else directory.partitions(topic))
        return TopicLayout(len(partitions), (await directory.config(topic)).acted_on)

    async def groups(self) -> list[GroupInfo]:
        return await self._groups.all()

    async def group(self, name: str) -> GroupInfo:
        return await self._groups.one(name)

    async def nodes(self) -> int:
        return len((await self._connection.metadata([])).brokers)

    async def topics(self) -> dict[str, int]:
        return await self._admin.topics()

    async def describe(self, topic: str) -> TopicInfo:
        return await self._admin.describe(topic)

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        return await self._admin.describe_many(topics)

    async def create(self, spec: TopicSpec) -> None:
        await self._admin.create(spec)

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        await self._admin.alter(topic, partitions, configs)

    async def delete(self, topic: str) -> None:
        await self._admin.delete(topic)
        self._reading.history.forget(topic)
        self._producing.forget(topic)
