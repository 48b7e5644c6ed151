"""Records into Kafka: acknowledged by all in-sync replicas, by an idempotent producer, in batches that requests share.

aiokafka's idempotent sends never time out, so every wait here has the request's own deadline; what was handed over
by then may still be written, what was not never will be.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from app.brokers.kafka.batches import MOST_BYTES, by_partition, chunks
from app.brokers.kafka.calls import Call
from app.brokers.kafka.compression import CODECS, RecordBatch
from app.brokers.kafka.directory import Directory, check_partition
from app.brokers.kafka.errors import is_poison, kafka_errors
from app.brokers.kafka.group_commit import GroupCommit, Part
from app.brokers.kafka.internals import Producer, abort_producer, dead_task, forget_topic, known_partitions
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.repeats import Repeats, TopicRepeats
from app.deadline import Deadline
from app.errors import DeadlineExceeded, Disconnected, NotFound, SendFailed, ShuttingDown, SluiceError, Unavailable
from app.record import Failed, NewRecord, Outcome
from app.topic import TopicConfigs

PRODUCER_TIMEOUT_MS = 60_000
"""Long on purpose: a batch that expires in aiokafka leaves a hole in its sequence numbers, and poisons the producer."""

LARGE = 65_536
"""Bytes from which a batch is compressed in a thread: by then it would hold up the loop for half a millisecond."""

PAUSE = 0.05


class Producing:
    """Publishes by one aiokafka producer.

    `fault` is why it can't go on: a batch that failed in its hands left a hole in the sequence numbers, and the brokers
    refuse whatever comes after it; or a task of its own has died. Closing and opening again heals it.
    """

    def __init__(self, options: KafkaOptions, directory: Directory, repeats: Repeats) -> None:
        self._options = options
        self._directory = directory
        self._repeats = repeats
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
        await self._repeats.clear()

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        """As `Broker.publish`. A caller that is cancelled leaves it running: no call is sent in part."""
        if not records:
            return []
        partitions = {record.partition for record in records}
        try:
            config = self._known(topic, partitions)
            if config is None:
                config = await deadline.run(self._checked(topic, partitions, records[0].timestamp_ms))
        except NotFound:
            self.forget(topic)
            raise
        except (DeadlineExceeded, ShuttingDown) as error:
            return [Failed(error)] * len(records)
        call = Call(topic, records, deadline, min(MOST_BYTES, config.max_message_bytes))
        places = call.refuse(config)
        if repeats := self._repeats.ready(topic):
            places = call.set_aside(places, repeats)
        if len(partitions) == 1 and (part := call.whole(places)):
            self._put(call, partitions.pop(), part, repeats)
            return await call.outcomes_of(part)
        await self._send(call, places, repeats)
        await call.follow()
        return call.outcomes

    async def prepare(self, topic: str, now_ms: int) -> None:
        """Do now what the topic's first send would have to wait for. Raises NotFound, Disconnected."""
        await self._repeats.fill(topic, now_ms)

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        self._repeats.forget(topic)
        gone = NotFound(f"topic '{topic}' does not exist")
        for (name, _), queue in self._queues.items():
            if name == topic:
                queue.fail_waiting(gone)
        if self._producer is not None:
            forget_topic(self._producer, topic)

    async def _send(self, call: Call, places: list[int], repeats: TopicRepeats | None) -> None:
        """All that goes into one batch is queued before anything is waited for."""
        single: list[tuple[list[int], Part]] = []
        sequences: list[asyncio.Task[None]] = []
        for partition, own in by_partition(call.records, places).items():
            parts = [(chunk, call.part(chunk)) for chunk in chunks(own, call.sizes, call.most_bytes)]
            if len(parts) == 1:
                single += parts
                self._put(call, partition, parts[0][1], repeats)
                continue
            if repeats:
                for _, part in parts:
                    repeats.begin(part)
            sequences.append(self._start(self._send_in_order(call, partition, parts)))
        for chunk, part in single:
            call.tell(chunk, await call.outcomes_of(part))
        if sequences:
            await asyncio.wait(sequences)

    def _put(self, call: Call, partition: int, part: Part, repeats: TopicRepeats | None) -> None:
        """All of the call that goes to this partition."""
        if repeats:
            repeats.begin(part)
        self._queue(call.topic, partition).put(part, call.most_bytes)

    def _known(self, topic: str, wanted: set[int]) -> TopicConfigs | None:
        """The topic's configuration, when all that has to be known of it and of these partitions is."""
        partitions, config = self._directory.remembered(topic)
        if partitions is None or config is None or self._producer is None:
            return None
        if not self._repeats.off and self._repeats.ready(topic) is None:
            return None
        if wanted <= partitions.keys() and wanted <= known_partitions(self._producer, topic):
            return config.acted_on
        return None

    async def _checked(self, topic: str, wanted: set[int], now_ms: int) -> TopicConfigs:
        """The topic's configuration, once topic and partitions are known to exist and aiokafka knows them too."""
        for number in sorted(wanted):
            await self._directory.partition(topic, number)
        config = await self._directory.config(topic)
        await self._introduce(self._opened(), topic, wanted)
        await self._repeats.fill(topic, now_ms)
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

    async def _send_in_order(self, call: Call, partition: int, parts: list[tuple[list[int], Part]]) -> None:
        """One batch after the other: behind one that failed none is begun, or the records would lose their order."""
        failure: SluiceError | None = None
        for chunk, part in parts:
            if failure is None:
                self._queue(call.topic, partition).put(part, call.most_bytes)
            else:
                part.fail(_not_begun(failure, call.deadline))
            outcomes = await call.outcomes_of(part)
            call.tell(chunk, outcomes)
            failure = next((outcome.error for outcome in outcomes if isinstance(outcome, Failed)), None)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._sequences.add(task)
        task.add_done_callback(self._sequences.discard)
        return task

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
        batch = RecordBatch(MOST_BYTES, CODECS[self._options.compression])
        batch.fill(records)
        if self._options.compression != "none" and batch.size() > LARGE:
            await asyncio.to_thread(batch.compress)
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


def _not_begun(failure: SluiceError, deadline: Deadline) -> SluiceError:
    if deadline.remaining() == 0:
        return deadline.error()
    kind = type(failure) if isinstance(failure, Unavailable) else SendFailed
    return kind("not begun, because a batch before it in this partition failed")
