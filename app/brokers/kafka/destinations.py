"""What has to be known of a topic before records are sent to it, kept for a moment: nearly every send finds it here."""

import asyncio
import contextlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import NamedTuple

from app.brokers.kafka.batches import MOST_BYTES
from app.brokers.kafka.directory import Directory, check_partition
from app.brokers.kafka.errors import kafka_errors
from app.brokers.kafka.internals import Producer, known_partitions
from app.brokers.kafka.repeats import Repeats, TopicRepeats
from app.errors import SluiceError
from app.record import BATCH_HEADER
from app.topic import TopicConfigs

PAUSE = 0.05

RENEWED_AHEAD = 0.3
"""Seconds before its end: time for a slow cluster to answer, and that is asked little more often than it has to be."""


class Destination(NamedTuple):
    """A topic, as far as sends go: partitions that aiokafka knows too, batches whose records take up to `room` bytes.

    `repeats` is None where no repeats are kept.
    """

    partitions: AbstractSet[int]
    config: TopicConfigs
    room: int
    repeats: TopicRepeats | None


class _Found(NamedTuple):
    """True for sends by `producer` until then, as long as the directory has `forgotten` nothing more."""

    to: Destination
    producer: Producer
    until: float
    renew_at: float
    forgotten: int


class Destinations:
    """Those of one producer. What was found is no older than what `directory`, by the same clock, remembers."""

    def __init__(
        self,
        directory: Directory,
        repeats: Repeats,
        *,
        request_timeout: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._directory = directory
        self._repeats = repeats
        self._request_timeout = request_timeout
        self._clock = clock
        self._found: dict[str, _Found] = {}
        self._renewals: set[asyncio.Task[None]] = set()

    def known(self, topic: str) -> Destination | None:
        """The topic, if it was found a moment ago. Whoever asks shortly before that is over lets it be found anew."""
        found = self._found.get(topic)
        if found is None or found.forgotten != self._directory.forgotten:
            return None
        now = self._clock()
        if now >= found.renew_at:
            if now >= found.until:
                return None
            self._begin_renewal(topic, found)
        return found.to

    async def find(self, producer: Producer, topic: str, wanted: AbstractSet[int], now_ms: int) -> Destination:
        """Once topic and partitions are known to exist and aiokafka knows them too. Raises NotFound, Disconnected."""
        forgotten = self._directory.forgotten  # what is forgotten while this looks counts
        for number in sorted(wanted):
            await self._directory.partition(topic, number)
        config = (await self._directory.config(topic)).acted_on
        await self._introduce(producer, topic, wanted)
        repeats = await self._repeats.fill(topic, now_ms)
        partitions, until = self._directory.remembered(topic)
        to = _destination(wanted | (known_partitions(producer, topic) & partitions), config, repeats)
        self._found[topic] = _Found(to, producer, until, until - RENEWED_AHEAD, forgotten)
        return to

    def forget(self, topic: str) -> None:
        """It is gone."""
        self._found.pop(topic, None)

    def clear(self) -> None:
        self._found.clear()
        for renewal in self._renewals:
            renewal.cancel()

    def _begin_renewal(self, topic: str, found: _Found) -> None:
        """Once: who sends when it has failed is told why."""
        found = self._found[topic] = found._replace(renew_at=found.until)
        renewal = asyncio.create_task(self._renew(topic, found))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)

    async def _renew(self, topic: str, found: _Found) -> None:
        with contextlib.suppress(SluiceError):
            await self._directory.renew(topic, found.until + RENEWED_AHEAD)
            config = (await self._directory.config(topic)).acted_on
            partitions, until = self._directory.remembered(topic)
            if self._found.get(topic) is found:
                to = _destination(known_partitions(found.producer, topic) & partitions, config, found.to.repeats)
                self._found[topic] = found._replace(to=to, until=until, renew_at=until - RENEWED_AHEAD)

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


def _destination(partitions: AbstractSet[int], config: TopicConfigs, repeats: TopicRepeats | None) -> Destination:
    room = min(MOST_BYTES, config.max_message_bytes) - BATCH_HEADER
    return Destination(partitions, config, room, repeats)
