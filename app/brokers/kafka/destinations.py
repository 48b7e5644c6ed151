"""What has to be known of a topic before records are sent to it, kept for a moment: nearly every send finds it here."""

import asyncio
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import NamedTuple

from app.brokers.kafka.batches import MOST_BYTES
from app.brokers.kafka.directory import Directory, check_partition
from app.brokers.kafka.errors import kafka_errors
from app.brokers.kafka.internals import Producer, known_partitions
from app.brokers.kafka.repeats import Repeats, TopicRepeats
from app.record import BATCH_HEADER
from app.topic import TopicConfigs

PAUSE = 0.05


class Destination(NamedTuple):
    """A topic, as far as sends go: partitions that aiokafka knows too, batches whose records take up to `room` bytes.

    `repeats` is None where no repeats are kept. True until then, by the monotonic clock, as long as the directory has
    `forgotten` nothing more.
    """

    partitions: AbstractSet[int]
    config: TopicConfigs
    room: int
    repeats: TopicRepeats | None
    until: float
    forgotten: int


class Destinations:
    """Those of one producer. What was found is no older than what `directory` remembers."""

    def __init__(self, directory: Directory, repeats: Repeats, *, request_timeout: float) -> None:
        self._directory = directory
        self._repeats = repeats
        self._request_timeout = request_timeout
        self._found: dict[str, Destination] = {}

    def known(self, topic: str) -> Destination | None:
        """The topic, if it was found a moment ago."""
        found = self._found.get(topic)
        if found is None or monotonic() >= found.until or found.forgotten != self._directory.forgotten:
            return None
        return found

    async def find(self, producer: Producer, topic: str, wanted: AbstractSet[int], now_ms: int) -> Destination:
        """Once topic and partitions are known to exist and aiokafka knows them too. Raises NotFound, Disconnected."""
        forgotten = self._directory.forgotten  # what is forgotten while this looks counts
        for number in sorted(wanted):
            await self._directory.partition(topic, number)
        config = (await self._directory.config(topic)).acted_on
        await self._introduce(producer, topic, wanted)
        await self._repeats.fill(topic, now_ms)
        partitions, until = self._directory.remembered(topic)
        found = self._found[topic] = Destination(
            wanted | (known_partitions(producer, topic) & partitions),
            config,
            min(MOST_BYTES, config.max_message_bytes) - BATCH_HEADER,
            self._repeats.ready(topic),
            until,
            forgotten,
        )
        return found

    def forget(self, topic: str) -> None:
        """It is gone."""
        self._found.pop(topic, None)

    def clear(self) -> None:
        self._found.clear()

    async def _introduce(self, producer: Producer, topic: str, wanted: AbstractSet[int]) -> None:
        """Let aiokafka see these partitions, which exist: it asserts so, and waits for a topic it does not know."""
        while not wanted <= known_partitions(producer, topic):
            with kafka_errors("asking for the topic"):
                async with asyncio.timeout(self._request_timeout):
                    await producer.client.add_topic(topic)
                    await producer.client.force_metadata_update()
            if missing := wanted - known_partitions(producer, topic):
                check_partition(topic, min(missing), await self._directory.fresh(topic))
                await asyncio.sleep(PAUSE)
