"""Topics of a Kafka cluster. Calls return when the change can be seen on every broker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import TOPIC, Directory
from app.brokers.kafka.errors import of_code, of_creation
from app.brokers.kafka.internals import (
    AlterConfigsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    Request,
)
from app.brokers.kafka.offsets import Offsets
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.overview import Overview
from app.brokers.kafka.reading import LATEST, Reading
from app.errors import UNKNOWN, Disconnected, NotFound, ValidationFailed
from app.topic import MIN_INSYNC_REPLICAS, TopicInfo, TopicSpec, check_growth

PAUSE = 0.02
INVALID_REQUEST = 42


@dataclass(frozen=True, slots=True)
class Admin:
    """`BrokerAdmin` on a cluster."""

    options: KafkaOptions
    connection: Connection
    directory: Directory
    reading: Reading
    offsets: Offsets
    overview: Overview

    async def topics(self) -> dict[str, int]:
        return await self.directory.names()

    async def describe(self, topic: str) -> TopicInfo:
        self.directory.forget(topic)  # what is known must be no older than what is asked now
        for info in await self.overview.describe([topic]):
            return info
        raise NotFound(f"topic '{topic}' does not exist")

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        return await self.overview.describe(topics)

    async def create(self, spec: TopicSpec) -> None:
        replicas = await self._replication_factor(spec)
        configs = dict(spec.configs)
        if replicas == 3:
            configs.setdefault(MIN_INSYNC_REPLICAS, "2")
        no_assignment: list[int] = []
        wanted = (spec.name, spec.partitions, replicas, no_assignment, list(configs.items()))
        request = CreateTopicsRequest([wanted], self._milliseconds, validate_only=False)
        _, code, sentence = (await self._change(request)).topic_errors[0]
        if code:
            raise of_creation(code, sentence, spec.name)
        self.directory.forget(spec.name)
        await self._everywhere(lambda node: self._usable(spec, node), f"topic '{spec.name}' has no leaders yet")

    async def alter(self, topic: str, partitions: int | None, configs: Mapping[str, str]) -> None:
        """Configurations are checked before anything is changed. Kafka replaces all of them: they are merged here."""
        now = len(await self.directory.fresh(topic))
        count = check_growth(now, partitions)
        merged = {**(await self.directory.own_configs([topic])).get(topic, {}), **configs}
        if configs:
            await self._alter_configs(topic, merged, validate_only=True)
        if count > now:
            request = CreatePartitionsRequest([(topic, (count, None))], self._milliseconds, validate_only=False)
            _, code, sentence = (await self._change(request)).topic_errors[0]
            if code:
                raise of_creation(code, sentence, topic)
        if configs:
            await self._alter_configs(topic, merged, validate_only=False)
        self.directory.forget(topic)
        await self._everywhere(lambda node: self._usable(TopicSpec(topic, count), node), f"topic '{topic}' is changing")

    async def _alter_configs(self, topic: str, configs: Mapping[str, str], *, validate_only: bool) -> None:
        request = AlterConfigsRequest([(TOPIC, topic, list(configs.items()))], validate_only)
        code, sentence, *_ = (await self._change(request)).resources[0]
        if code == INVALID_REQUEST:
            raise ValidationFailed.of("configs", sentence or "are refused by the broker")
        if code:
            raise of_creation(code, sentence, topic)

    async def delete(self, topic: str) -> None:
        partitions = sorted(await self.directory.fresh(topic))
        groups = await self.offsets.groups_on(topic, partitions)
        code = (await self._change(DeleteTopicsRequest([topic], self._milliseconds))).topic_error_codes[0][1]
        self.directory.forget(topic)
        if code:
            raise of_code(code, f"deleting topic '{topic}'", topic=topic)
        await self._everywhere(lambda node: self._absent(topic, node), f"topic '{topic}' is still being deleted")
        await self.offsets.gone(groups, topic, partitions)
        self.directory.forget(topic)

    async def _replication_factor(self, spec: TopicSpec) -> int:
        chosen = spec.replication_factor or self.options.default_replication_factor
        if chosen is None:
            await self.connection.metadata([])  # brokers may have come or gone
            chosen = min(3, len(self.connection.nodes))
        return chosen

    async def _change(self, request: Request) -> Any:
        """Ask for it once only, of a broker that has just answered: a second try would meet what the first has done."""
        answer = await self.connection.metadata([])
        try:
            return await self.connection.send(answer.controller_id, request)
        except Disconnected as error:
            raise Disconnected(error.message, outcome=UNKNOWN) from error

    async def _everywhere(self, seen: Callable[[int], Awaitable[bool]], otherwise: str) -> None:
        """Return when every broker that answers has seen it. Raises Disconnected when that takes too long."""
        until = asyncio.get_running_loop().time() + self.options.request_timeout
        for node in self.connection.nodes:
            while not await seen(node):
                if asyncio.get_running_loop().time() >= until:
                    raise Disconnected(otherwise, outcome=UNKNOWN)
                await asyncio.sleep(PAUSE)

    async def _usable(self, spec: TopicSpec, node: int) -> bool:
        """Whether this broker knows the topic's leaders, and they know that they are."""
        try:
            partitions = await self.directory.fresh(spec.name, node=node)
            if len(partitions) < spec.partitions or any(known.leader < 0 for known in partitions.values()):
                return False
            await self.reading.ends_once(spec.name, partitions, LATEST)
        except (NotFound, Disconnected):
            return False
        return True

    async def _absent(self, topic: str, node: int) -> bool:
        try:
            await self.directory.fresh(topic, node=node)
        except NotFound:
            return True
        except Disconnected:  # a broker that is away learns of the deletion before it serves again
            return node not in self.connection.nodes
        return False

    @property
    def _milliseconds(self) -> int:
        """What the cluster may take for a change: less than we wait for its answer."""
        return int(self.options.request_timeout * 800)
