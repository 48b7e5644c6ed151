"""Records into Kafka: acknowledged by all in-sync replicas, by an idempotent producer, one record batch a partition.

aiokafka's idempotent sends never time out, so every wait here has the request's own deadline; what was handed over
by then may still be written, what was not never will be.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

from app.brokers.kafka.batches import MOST_BYTES, Chunk, by_partition, chunks, refusal
from app.brokers.kafka.directory import Directory, check_partition
from app.brokers.kafka.errors import kafka_errors, of_handover, of_write
from app.brokers.kafka.internals import Producer, abort_producer, forget_topic, known_partitions
from app.brokers.kafka.options import KafkaOptions
from app.deadline import Deadline
from app.errors import UNKNOWN, Disconnected, NotFound, SendFailed, SluiceError, Unavailable
from app.record import Failed, NewRecord, Outcome, Written
from app.topic import TopicConfigs

PRODUCER_TIMEOUT_MS = 60_000
"""Long on purpose: a batch that expires in aiokafka leaves a hole in its sequence numbers, and poisons the producer."""

LOG_APPEND_TIME = 1
PAUSE = 0.05


class Producing:
    """Publishes by one aiokafka producer."""

    def __init__(self, options: KafkaOptions, directory: Directory) -> None:
        self._options = options
        self._directory = directory
        self._producer: Producer | None = None
        self._calls: set[asyncio.Task[list[Outcome]]] = set()
        self._turns: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Raises Disconnected, ConfigError."""
        producer = Producer(
            acks="all",
            enable_idempotence=True,
            max_batch_size=MOST_BYTES,
            request_timeout_ms=PRODUCER_TIMEOUT_MS,
            **self._options.for_client(),
        )
        try:
            with kafka_errors("starting to produce"):
                async with asyncio.timeout(self._options.request_timeout):
                    await producer.start()
        except BaseException:
            await abort_producer(producer, self._options.close_timeout)
            raise
        self._producer = producer

    async def close(self) -> None:
        """Give what is under way `close_timeout` seconds, then let it go."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        stopping = asyncio.ensure_future(producer.stop())
        await asyncio.wait({stopping}, timeout=self._options.close_timeout)
        if not stopping.done():
            stopping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stopping
        await abort_producer(producer, self._options.close_timeout)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        """As `Broker.publish`. A caller that is cancelled leaves it running: no call is sent in part."""
        call = asyncio.ensure_future(self._publish(topic, records, deadline))
        self._calls.add(call)
        call.add_done_callback(self._end)
        await asyncio.wait({call})
        if call.cancelled():
            raise Disconnected("the connection to Kafka was closed", outcome=UNKNOWN)
        return call.result()

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        if self._producer is not None:
            forget_topic(self._producer, topic)

    async def _publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        config = asyncio.ensure_future(self._checked(topic, records))
        if not await deadline.wait(config):
            config.add_done_callback(_consume)
            return [Failed(deadline.error())] * len(records)
        try:
            acted_on = config.result()
        except NotFound:
            self.forget(topic)
            raise
        refused = {index: error for index, record in enumerate(records) if (error := refusal(record, acted_on))}
        outcomes: dict[int, Outcome] = {index: Failed(error) for index, error in refused.items()}
        good = [index for index in range(len(records)) if index not in refused]
        sends = [
            self._send_in_order(topic, partition, records, places, acted_on.max_message_bytes, deadline)
            for partition, places in by_partition(records, good).items()
        ]
        for answered in await asyncio.gather(*sends):
            outcomes.update(answered)
        return [outcomes[index] for index in range(len(records))]

    async def _checked(self, topic: str, records: Sequence[NewRecord]) -> TopicConfigs:
        """The topic's configuration, once topic and partitions are known to exist and aiokafka knows them too."""
        wanted = {record.partition for record in records}
        for number in sorted(wanted):
            await self._directory.partition(topic, number)
        config = await self._directory.config(topic)
        await self._introduce(self._opened(), topic, wanted)
        return config.acted_on

    async def _introduce(self, producer: Producer, topic: str, wanted: set[int]) -> None:
        """Let aiokafka see these partitions, which exist: it asserts so, and waits for a topic it does not know."""
        while not wanted <= known_partitions(producer, topic):
            with kafka_errors("asking for the topic"):
                async with asyncio.timeout(self._options.request_timeout):
                    await producer.client.add_topic(topic)
                    await producer.client.force_metadata_update()
            if missing := wanted - known_partitions(producer, topic):
                check_partition(topic, min(missing), await self._directory.fresh(topic))
                await asyncio.sleep(PAUSE)

    async def _send_in_order(
        self,
        topic: str,
        partition: int,
        records: Sequence[NewRecord],
        places: list[int],
        most_bytes: int,
        deadline: Deadline,
    ) -> list[tuple[int, Outcome]]:
        """One batch after the other: behind one that failed none is begun, or the records would lose their order."""
        answered: list[tuple[int, Outcome]] = []
        failure: SluiceError | None = None
        for chunk in chunks(records, places, most_bytes, self._opened().create_batch):
            if failure is None:
                outcomes = await self._send(topic, partition, chunk, records, deadline)
                failure = next((outcome.error for outcome in outcomes if isinstance(outcome, Failed)), None)
            else:
                outcomes = [Failed(_not_begun(failure, deadline))] * len(chunk.indices)
            answered += zip(chunk.indices, outcomes, strict=True)
        return answered

    async def _send(
        self, topic: str, partition: int, chunk: Chunk, records: Sequence[NewRecord], deadline: Deadline
    ) -> Sequence[Outcome]:
        handing = asyncio.ensure_future(self._hand_over(topic, partition, chunk))
        if not await deadline.wait(handing):
            handing.cancel()
            await asyncio.wait({handing})
        if handing.cancelled():
            return [Failed(deadline.error())] * len(chunk.indices)
        if error := handing.exception():
            return [Failed(of_handover(error))] * len(chunk.indices)
        delivery = handing.result()
        delivery.add_done_callback(_consume)
        if not await deadline.wait(delivery):
            return [Failed(deadline.error(UNKNOWN))] * len(chunk.indices)
        if delivery.cancelled():
            return [Failed(Disconnected("the connection to Kafka was closed", outcome=UNKNOWN))] * len(chunk.indices)
        if error := delivery.exception():
            return [Failed(of_write(error))] * len(chunk.indices)
        return _written(delivery.result(), partition, [records[index] for index in chunk.indices])

    async def _hand_over(self, topic: str, partition: int, chunk: Chunk) -> "asyncio.Future[Any]":
        """One at a time: those that queue in aiokafka lose what they have waited again each round, and time out."""
        turn = self._turns.setdefault((topic, partition), asyncio.Lock())
        async with turn:
            delivery: asyncio.Future[Any] = await self._opened().send_batch(chunk.batch, topic, partition=partition)
            return delivery

    def _opened(self) -> Producer:
        if self._producer is None:
            raise Disconnected("not connected to Kafka")
        return self._producer

    def _end(self, call: "asyncio.Task[list[Outcome]]") -> None:
        self._calls.discard(call)
        _consume(call)


def _written(answer: Any, partition: int, records: list[NewRecord]) -> Sequence[Outcome]:
    """Offsets count from the batch's first. A timestamp is the record's own, unless the topic stamps them itself."""
    if answer is None or answer.offset < 0:
        error = SendFailed("the records are written, but the broker did not say where", outcome=UNKNOWN)
        return [Failed(error)] * len(records)
    stamp = answer.timestamp if answer.timestamp_type == LOG_APPEND_TIME else None
    return [
        Written(partition, answer.offset + place, record.timestamp_ms if stamp is None else stamp)
        for place, record in enumerate(records)
    ]


def _not_begun(failure: SluiceError, deadline: Deadline) -> SluiceError:
    if deadline.remaining() == 0:
        return deadline.error()
    kind = type(failure) if isinstance(failure, Unavailable) else SendFailed
    return kind("not begun, because a batch before it in this partition failed")


def _consume(future: "asyncio.Future[Any]") -> None:
    """An error that nobody waits for any more is none."""
    if not future.cancelled():
        future.exception()
