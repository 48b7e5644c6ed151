"""Records into Kafka: acknowledged by all in-sync replicas, by an idempotent producer, in batches that requests share.

aiokafka's idempotent sends never time out, so every wait here has the request's own deadline; what was handed over
by then may still be written, what was not never will be.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine, Sequence
from functools import partial
from typing import Any

from app.brokers.kafka.batches import MOST_BYTES, by_partition, chunks
from app.brokers.kafka.calls import Call, whole
from app.brokers.kafka.compression import CODECS, RecordBatch
from app.brokers.kafka.destinations import Destination, Destinations
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.errors import is_poison, kafka_errors
from app.brokers.kafka.group_commit import GroupCommit, Part
from app.brokers.kafka.handing import hand_over, send_in_one_piece
from app.brokers.kafka.internals import Producer, abort_producer, dead_task, forget_topic
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.repeats import Repeats
from app.brokers.kafka.sticky import Sticky
from app.deadline import Deadline
from app.errors import DeadlineExceeded, Disconnected, NotFound, SendFailed, ShuttingDown, SluiceError, Unavailable
from app.record import Failed, NewRecord, Outcome

PRODUCER_TIMEOUT_MS = 60_000
"""Long on purpose: a batch that expires in aiokafka leaves a hole in its sequence numbers, and poisons the producer."""

LARGE = 65_536
"""Bytes from which a batch is compressed in a thread: by then it would hold up the loop for half a millisecond."""


class Producing:
    """Publishes by one aiokafka producer.

    `fault` is why it can't go on: a batch that failed in its hands left a hole in the sequence numbers, and the brokers
    refuse whatever comes after it; or a task of its own has died. Closing and opening again heals it.
    """

    def __init__(self, options: KafkaOptions, directory: Directory, repeats: Repeats) -> None:
        self._options = options
        self._directory = directory
        self._repeats = repeats
        self._destinations = Destinations(directory, repeats, request_timeout=options.request_timeout)
        self._producer: Producer | None = None
        self._queues: dict[tuple[str, int], GroupCommit] = {}
        self.spread = Sticky(self._queues)
        """Where records go that have neither key nor partition."""
        self._beside: set[asyncio.Task[None]] = set()
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
        send_in_one_piece(producer)
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
        await asyncio.gather(*(queue.finished() for queue in self._queues.values()), *self._beside)
        self._queues.clear()
        self._destinations.clear()
        await self._repeats.clear()

    def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> Awaitable[list[Outcome]]:
        """As `Broker.publish`. A caller that is cancelled leaves it running: no call is sent in part.

        What can go as it is, is queued before anybody waits.
        """
        to = self._destinations.known(topic)
        if to and records and (part := whole(records, to)):
            return self._put(topic, records[0].partition, part, deadline, to)
        return self._publish(topic, records, deadline, to)

    async def _publish(
        self, topic: str, records: Sequence[NewRecord], deadline: Deadline, to: Destination | None
    ) -> list[Outcome]:
        """The topic has to be looked at first, or the records go different ways."""
        if not records:
            return []
        partitions = {record.partition for record in records}
        if to is None or not partitions <= to.partitions:
            try:
                to = await deadline.run(self._find(topic, partitions, records[0].timestamp_ms))
            except NotFound:
                self.forget(topic)
                raise
            except (DeadlineExceeded, ShuttingDown) as error:
                return [Failed(error)] * len(records)
            if part := whole(records, to):
                return await self._put(topic, records[0].partition, part, deadline, to)
        call = Call(topic, records, deadline, to)
        await self._send(call)
        await call.follow()
        return call.outcomes

    def _put(
        self, topic: str, partition: int, part: Part, deadline: Deadline, to: Destination
    ) -> "asyncio.Future[list[Outcome]]":
        queue = self._queues.get((topic, partition)) or self._new_queue(topic, partition)
        queue.put(part, to.room)
        return part.answer_by(deadline)

    async def prepare(self, topic: str, now_ms: int) -> None:
        """Do now what the topic's first send would have to wait for. Raises NotFound, Disconnected."""
        await self._repeats.fill(topic, now_ms)

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        self._destinations.forget(topic)
        self._repeats.forget(topic)
        self.spread.forget(topic)
        gone = NotFound(f"topic '{topic}' does not exist")
        for (name, _), queue in self._queues.items():
            if name == topic:
                queue.fail_waiting(gone)
        if self._producer is not None:
            forget_topic(self._producer, topic)

    async def _send(self, call: Call) -> None:
        """All that goes into one batch is queued before anything is waited for."""
        single: list[tuple[list[int], asyncio.Future[list[Outcome]]]] = []
        sequences: list[asyncio.Task[None]] = []
        for partition, own in by_partition(call.records, call.places()).items():
            parts = [(chunk, call.part(chunk)) for chunk in chunks(own, call.sizes, call.to.room)]
            if call.to.repeats:
                for _, part in parts:
                    call.to.repeats.begin(part)
            if len(parts) == 1:
                chunk, part = parts[0]
                single.append((chunk, self._put(call.topic, partition, part, call.deadline, call.to)))
            else:
                sequences.append(self._start(self._send_in_order(call, partition, parts)))
        for chunk, answer in single:
            call.tell(chunk, await answer)
        if sequences:
            await asyncio.wait(sequences)

    async def _find(self, topic: str, wanted: set[int], now_ms: int) -> Destination:
        return await self._destinations.find(self._opened(), topic, wanted, now_ms)

    async def _send_in_order(self, call: Call, partition: int, parts: list[tuple[list[int], Part]]) -> None:
        """One batch after the other: behind one that failed none is begun, or the records would lose their order."""
        failure: SluiceError | None = None
        for chunk, part in parts:
            if failure is None:
                outcomes = await self._put(call.topic, partition, part, call.deadline, call.to)
            else:
                outcomes = [Failed(_not_begun(failure, call.deadline))] * len(chunk)
                part.resolve(outcomes)
            call.tell(chunk, outcomes)
            failure = next((outcome.error for outcome in outcomes if isinstance(outcome, Failed)), None)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    def _new_queue(self, topic: str, partition: int) -> GroupCommit:
        records_over = partial(self._hand_over, topic, partition)
        look = partial(self._look, topic, partition)
        queue = GroupCommit(records_over, partition=partition, on_failure=self._failed, on_delay=look)
        self._queues[topic, partition] = queue
        return queue

    async def _hand_over(self, topic: str, partition: int, records: list[NewRecord]) -> "asyncio.Future[Any]":
        producer = self._opened()
        self.spread.took_batch(topic, partition)
        batch = RecordBatch(MOST_BYTES, CODECS[self._options.compression])
        batch.fill(records)
        if self._options.compression != "none" and batch.size() > LARGE:
            await asyncio.to_thread(batch.compress)
        return await hand_over(producer, batch, topic, partition)

    def _look(self, topic: str, partition: int) -> "asyncio.Task[None]":
        return self._start(self._look_again(topic, partition))

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
