"""Records into Kafka: acknowledged by all in-sync replicas, by an idempotent producer, in batches that requests share.

aiokafka's idempotent sends never time out, so every wait here has the request's own deadline; what was handed over
by then may still be written, what was not never will be.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from app.brokers.kafka.batches import MOST_BYTES, by_partition, chunks, refusal, size_in_batch
from app.brokers.kafka.directory import Directory, check_partition
from app.brokers.kafka.errors import is_poison, kafka_errors
from app.brokers.kafka.group_commit import GroupCommit, Part
from app.brokers.kafka.internals import Producer, abort_producer, dead_task, forget_topic, known_partitions
from app.brokers.kafka.options import KafkaOptions
from app.deadline import Deadline
from app.errors import DeadlineExceeded, Disconnected, NotFound, SendFailed, ShuttingDown, SluiceError, Unavailable
from app.record import Failed, NewRecord, Outcome
from app.topic import TopicConfigs

PRODUCER_TIMEOUT_MS = 60_000
"""Long on purpose: a batch that expires in aiokafka leaves a hole in its sequence numbers, and poisons the producer."""

PAUSE = 0.05


class Producing:
    """Publishes by one aiokafka producer.

    `fault` is why it can't go on: a batch that failed in its hands left a hole in the sequence numbers, and the brokers
    refuse whatever comes after it; or a task of its own has died. Closing and opening again heals it.
    """

    def __init__(self, options: KafkaOptions, directory: Directory) -> None:
        self._options = options
        self._directory = directory
        self._producer: Producer | None = None
        self._queues: dict[tuple[str, int], GroupCommit] = {}
        self._sequences: set[asyncio.Task[None]] = set()
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        if self._fault is None and self._producer is not None:
            return dead_task(self._producer)
        return self._fault

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
        self._fault = None
        self._producer = producer

    async def close(self) -> None:
        """Give what is under way `close_timeout` seconds, then let it go."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        closed = Disconnected("the connection to Kafka was closed")
        for queue in self._queues.values():
            queue.fail_waiting(closed)
        stopping = asyncio.ensure_future(producer.stop())
        await asyncio.wait({stopping}, timeout=self._options.close_timeout)
        if not stopping.done():
            stopping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stopping
        await abort_producer(producer, self._options.close_timeout)
        await asyncio.gather(*(queue.finished() for queue in self._queues.values()), *self._sequences)
        self._queues.clear()

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        """As `Broker.publish`. A caller that is cancelled leaves it running: no call is sent in part."""
        try:
            config = self._known(topic, records)
            if config is None:
                config = await deadline.run(self._checked(topic, records))
        except NotFound:
            self.forget(topic)
            raise
        except (DeadlineExceeded, ShuttingDown) as error:
            return [Failed(error)] * len(records)
        call = _Call(topic, records, deadline, min(MOST_BYTES, config.max_message_bytes))
        waiting: list[tuple[list[int], Part]] = []
        sequences: list[asyncio.Task[None]] = []
        for partition, places in by_partition(records, call.refuse(config)).items():
            batches = chunks(places, call.sizes, call.most_bytes)
            if len(batches) == 1:
                waiting.append((places, self._put(call, partition, places)))
            else:
                sequences.append(self._start(self._send_in_order(call, partition, batches)))
        for places, part in waiting:
            call.tell(places, await _outcomes(part, deadline))
        if sequences:
            await asyncio.wait(sequences)
        return call.outcomes

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        gone = NotFound(f"topic '{topic}' does not exist")
        for (name, _), queue in self._queues.items():
            if name == topic:
                queue.fail_waiting(gone)
        if self._producer is not None:
            forget_topic(self._producer, topic)

    def _known(self, topic: str, records: Sequence[NewRecord]) -> TopicConfigs | None:
        """The topic's configuration, when all that has to be known of it is."""
        partitions, config = self._directory.remembered(topic)
        if partitions is None or config is None or self._producer is None:
            return None
        introduced = known_partitions(self._producer, topic)
        if all(record.partition in partitions and record.partition in introduced for record in records):
            return config.acted_on
        return None

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

    async def _send_in_order(self, call: "_Call", partition: int, batches: list[list[int]]) -> None:
        """One batch after the other: behind one that failed none is begun, or the records would lose their order."""
        failure: SluiceError | None = None
        for places in batches:
            if failure is not None:
                call.tell(places, [Failed(_not_begun(failure, call.deadline))] * len(places))
                continue
            outcomes = await _outcomes(self._put(call, partition, places), call.deadline)
            call.tell(places, outcomes)
            failure = next((outcome.error for outcome in outcomes if isinstance(outcome, Failed)), None)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._sequences.add(task)
        task.add_done_callback(self._sequences.discard)
        return task

    def _put(self, call: "_Call", partition: int, places: list[int]) -> Part:
        part = call.part(places)
        self._queue(call.topic, partition).put(part, call.most_bytes)
        return part

    def _queue(self, topic: str, partition: int) -> GroupCommit:
        queue = self._queues.get((topic, partition))
        if queue is None:
            hand_over = partial(self._hand_over, topic, partition)
            look = partial(self._look_again, topic, partition)
            queue = GroupCommit(hand_over, partition=partition, on_failure=self._failed, on_delay=look)
            self._queues[topic, partition] = queue
        return queue

    async def _hand_over(self, topic: str, partition: int, records: list[NewRecord]) -> "asyncio.Future[Any]":
        producer = self._opened()
        batch = producer.create_batch()
        for record in records:
            batch.append(
                timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers)
            )
        batch.close()
        delivery: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
        return delivery

    async def _look_again(self, topic: str, partition: int) -> None:
        with contextlib.suppress(SluiceError):
            try:
                await self._directory.partition(topic, partition)
            except NotFound:
                self.forget(topic)

    def _failed(self, error: BaseException) -> None:
        if is_poison(error):
            self._fault = self._fault or type(error).__name__

    def _opened(self) -> Producer:
        if self._producer is None:
            raise Disconnected("not connected to Kafka")
        return self._producer


class _Call:
    """One `publish`. `sizes` are what the records take in a batch; `outcomes` fills up."""

    def __init__(self, topic: str, records: Sequence[NewRecord], deadline: Deadline, most_bytes: int) -> None:
        self.topic = topic
        self.records = records
        self.deadline = deadline
        self.most_bytes = most_bytes
        self.sizes = [size_in_batch(record) for record in records]
        self.outcomes: list[Any] = [None] * len(records)

    def refuse(self, config: TopicConfigs) -> list[int]:
        """Fail the records that the broker would refuse; answers the places of the others."""
        good = []
        for place, record in enumerate(self.records):
            if error := refusal(record, self.sizes[place], config):
                self.outcomes[place] = Failed(error)
            else:
                good.append(place)
        return good

    def part(self, places: list[int]) -> Part:
        return Part([self.records[place] for place in places], sum([self.sizes[place] for place in places]))

    def tell(self, places: list[int], outcomes: Sequence[Outcome]) -> None:
        for place, outcome in zip(places, outcomes, strict=True):
            self.outcomes[place] = outcome


async def _outcomes(part: Part, deadline: Deadline) -> list[Outcome]:
    if await deadline.wait(part.answer):
        return part.answer.result()
    return [Failed(deadline.error(part.withdraw()))] * len(part.records)


def _not_begun(failure: SluiceError, deadline: Deadline) -> SluiceError:
    if deadline.remaining() == 0:
        return deadline.error()
    kind = type(failure) if isinstance(failure, Unavailable) else SendFailed
    return kind("not begun, because a batch before it in this partition failed")
