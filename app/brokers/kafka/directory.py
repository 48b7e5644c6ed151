"""Which topics there are, who leads their partitions, how they are configured: asked for without creating anything."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.errors import of_code
from app.brokers.kafka.internals import DescribeConfigsRequest
from app.brokers.kafka.memory import Memory
from app.errors import NotFound, SluiceError
from app.topic import TopicConfigs

T = TypeVar("T")

PARTITIONS_KEPT = 1.0
"""Seconds for which a topic that was seen is taken to exist still: a deletion elsewhere is noticed no later."""

CONFIGS_KEPT = 5.0
SERVED = (0, 5)
"""Error codes of a topic that exists, though a leader may be missing."""

TOPIC = 2
DYNAMIC_TOPIC_CONFIG = 1
"""Resource type and config source of https://kafka.apache.org/protocol#The_Messages_DescribeConfigs."""


class Leaders(NamedTuple):
    """A partition as metadata tell it; leader -1 while there is none."""

    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


class Config(NamedTuple):
    """A topic's configuration: every value in force, and those set for this topic itself."""

    acted_on: TopicConfigs
    own: Mapping[str, str]


class Directory:
    """Topics of one cluster. Partitions are remembered for a second, configurations for five; no unknown topic is.

    A partition that is not known may be new: the broker is asked again, but once a second a topic, whoever insists.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float] = monotonic) -> None:
        self._connection = connection
        self._partitions = Memory(self.fresh, PARTITIONS_KEPT, clock=clock)
        self._again = Memory(self._ask_again, PARTITIONS_KEPT, clock=clock)
        self._configs = Memory(self.config_now, CONFIGS_KEPT, clock=clock)
        self.forgotten = 0
        """How often something was forgotten before its time."""

    async def partitions(self, topic: str) -> Mapping[int, Leaders]:
        """Raises NotFound, Disconnected."""
        return await self._partitions.get(topic)

    async def partition(self, topic: str, number: int) -> Leaders:
        """Raises NotFound for the topic or the partition, Disconnected."""
        known = await self.partitions(topic)
        if number not in known:
            known = await self.again(topic)
        return check_partition(topic, number, known)

    async def again(self, topic: str) -> Mapping[int, Leaders]:
        """For who misses a partition: asked since, or by another who did within the last second."""
        return await self._again.get(topic)

    async def _ask_again(self, topic: str) -> Mapping[int, Leaders]:
        self.moved(topic)
        return await self.partitions(topic)

    async def config(self, topic: str) -> Config:
        return await self._configs.get(topic)

    async def renew(self, topic: str, before: float) -> None:
        """Ask again for what would be kept no longer than `before`. Raises as asking does."""
        await self._partitions.renew(topic, before)
        await self._configs.renew(topic, before)

    def remembered(self, topic: str) -> tuple[AbstractSet[int], float]:
        """The topic's partitions, and until when they and its configuration are kept; none, and 0, of one not known."""
        partitions, config = self._partitions.remembered(topic), self._configs.remembered(topic)
        if partitions is None or config is None:
            return frozenset(), 0.0
        return partitions[0].keys(), min(partitions[1], config[1])

    async def fresh(self, topic: str, *, node: int | None = None) -> Mapping[int, Leaders]:
        """As the broker `node`, or any, knows it now. Raises NotFound, Disconnected."""
        answer = await self._connection.metadata([topic], node=node)
        code, _, _, partitions = answer.topics[0]
        if code not in SERVED:
            raise _unknown(code, topic)
        return _leaders(partitions)

    async def layouts(self, topics: Sequence[str]) -> dict[str, Mapping[int, Leaders]]:
        """Those of the topics that exist, as they are now."""
        if not topics:
            return {}
        answer = await self._connection.metadata(list(topics))
        found = {name: _leaders(partitions) for code, name, _, partitions in answer.topics if code in SERVED}
        return {name: found[name] for name in topics if name in found}

    async def own_configs(self, topics: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """What is set for these topics themselves; nothing for those we may not ask about."""
        if not topics:
            return {}
        answer = await self._connection.send_to_any(DescribeConfigsRequest([(TOPIC, name, None) for name in topics]))
        return {name: _config(entries).own for code, _, _, name, entries in answer.resources if not code}

    async def names(self) -> dict[str, int]:
        """Every topic and the number of its partitions."""
        answer = await self._connection.metadata(None)
        return {name: len(partitions) for code, name, _, partitions in answer.topics if code == 0}

    async def config_now(self, topic: str) -> Config:
        request = DescribeConfigsRequest([(TOPIC, topic, None)])
        code, sentence, _, _, entries = (await self._connection.send_to_any(request)).resources[0]
        if code == 29:  # describing is not allowed to us, writing may be: Kafka's defaults are the best guess
            return Config(TopicConfigs.read({}), {})
        if code:
            raise of_code(code, sentence or "reading the topic's configuration", topic=topic)
        return _config(entries)

    def forget(self, topic: str) -> None:
        """It changed by our own hand."""
        self.forgotten += 1
        self._partitions.forget(topic)
        self._again.forget(topic)
        self._configs.forget(topic)

    def moved(self, topic: str) -> None:
        """Its leaders did, as somebody noticed."""
        self.forgotten += 1
        self._partitions.forget(topic)

    def clear(self) -> None:
        self.forgotten += 1
        self._partitions.clear()
        self._again.clear()
        self._configs.clear()


def check_partition(topic: str, number: int, partitions: Mapping[int, Leaders]) -> Leaders:
    """Raises NotFound, naming the count."""
    if number not in partitions:
        raise NotFound(f"partition {number} does not exist: topic '{topic}' has {len(partitions)}")
    return partitions[number]


def _leaders(partitions: list[tuple[Any, ...]]) -> dict[int, Leaders]:
    return {number: Leaders(leader, tuple(r), tuple(i)) for _, number, leader, r, i, *_ in partitions}


def _unknown(code: int, topic: str) -> SluiceError:
    if code == 17:  # an illegal name is no topic's
        return NotFound(f"topic '{topic}' does not exist")
    return of_code(code, f"looking for topic '{topic}'", topic=topic)


def _config(entries: list[tuple[Any, ...]]) -> Config:
    values = {name: value for name, value, *_ in entries if value is not None}
    own = {
        name: value for name, value, _, source, *_ in entries if source == DYNAMIC_TOPIC_CONFIG and value is not None
    }
    return Config(TopicConfigs.read(values), own)
