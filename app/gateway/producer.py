"""Sending: messages become records, each is checked before it joins a batch, and each gets an outcome."""

from collections.abc import Sequence
from time import perf_counter

from app.broker import Broker
from app.deadline import Clock, Deadline
from app.errors import MessageTooLarge, NotFound, SluiceError, ValidationFailed
from app.gateway.catalog import Catalog, KnownTopic
from app.gateway.message import Message, Origin, record_of
from app.gateway.partitioner import Partitioner
from app.names import TopicName
from app.record import Failed, NewRecord, Outcome, Written, framed_size
from app.telemetry.metrics import UNKNOWN, Metrics


class Producer:
    """Writes messages to topics. One `send` is one call to the broker, whatever it holds."""

    def __init__(
        self, broker: Broker, catalog: Catalog, *, clock: Clock, max_message_bytes: int, metrics: Metrics
    ) -> None:
        self._broker = broker
        self._catalog = catalog
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._metrics = metrics
        self._partitioner = Partitioner()

    async def send(
        self,
        topic: TopicName,
        messages: Sequence[Message],
        origin: Origin,
        deadline: Deadline,
        *,
        partial: bool = False,
    ) -> list[Outcome]:
        """One outcome per message, in order; `Written` is durable.

        Raises NotFound for an unknown topic. A message that can't be taken (too large, a partition that isn't there,
        no key on a compacted topic) refuses the whole call before anything is written, or with `partial` fails alone.
        """
        started = perf_counter()
        try:
            known = self._catalog.known(topic)
            if known is None:
                known = await deadline.run(self._catalog.look_up(topic))
        except SluiceError:
            self._metrics.messages_sent.labels(UNKNOWN, UNKNOWN, "failed").inc(len(messages))
            raise
        records = self._records(known, messages, origin)
        refused = {index: error for index, error in enumerate(records) if isinstance(error, SluiceError)}
        if refused and (not partial or len(refused) == len(messages)):
            raise _together(refused)
        outcomes = await self._publish(topic, [r for r in records if isinstance(r, NewRecord)], deadline)
        self._metrics.send_duration.labels(topic.stream, topic.topic).observe(perf_counter() - started)
        self._count(topic, outcomes)
        if not refused:
            return outcomes
        written = iter(outcomes)
        return [Failed(refused[index]) if index in refused else next(written) for index in range(len(messages))]

    async def _publish(self, topic: TopicName, records: list[NewRecord], deadline: Deadline) -> list[Outcome]:
        try:
            return await self._broker.publish(topic.full, records, deadline)
        except NotFound:
            self._catalog.forget(topic)
            raise

    def _records(self, topic: KnownTopic, messages: Sequence[Message], origin: Origin) -> list[NewRecord | SluiceError]:
        now_ms = int(self._clock() * 1000)
        partitions = topic.partitions
        shared = self._partitioner.next(partitions)
        made: list[NewRecord | SluiceError] = []
        for message in messages:
            key = message.key
            if message.partition_id is not None:
                partition = message.partition_id
            else:
                partition = shared if key is None else self._partitioner.of_key(key, partitions)
            record = record_of(message, partition, key, now_ms, origin)
            made.append(self._refusal(record, topic) or record)
        return made

    def _refusal(self, record: NewRecord, topic: KnownTopic) -> SluiceError | None:
        """Why the broker would not take this record, found before it shares a batch with others."""
        configs = topic.configs
        if record.partition >= topic.partitions:
            return NotFound(f"partition {record.partition} does not exist: the topic has {topic.partitions}")
        if record.value is None and not configs.compacted:
            return ValidationFailed.of("event", "null deletes a key and needs a topic with cleanup.policy=compact")
        if record.key is None and configs.compacted:
            return ValidationFailed.of("partition_key", "is needed: the topic is compacted, which goes by keys")
        if record.size > self._max_message_bytes:
            return MessageTooLarge(f"the message has {record.size} bytes, at most {self._max_message_bytes} are taken")
        if framed_size(record) > configs.max_message_bytes:
            return MessageTooLarge(
                f"the message has {record.size} bytes, its topic takes record batches of {configs.max_message_bytes}"
            )
        return None

    def _count(self, topic: TopicName, outcomes: Sequence[Outcome]) -> None:
        written = sum(isinstance(outcome, Written) for outcome in outcomes)
        stored = sum(isinstance(outcome, Written) and not outcome.duplicate for outcome in outcomes)
        self._metrics.events_created.inc(stored)
        sent = self._metrics.messages_sent
        sent.labels(topic.stream, topic.topic, "ok").inc(written)
        if failed := len(outcomes) - written:
            sent.labels(topic.stream, topic.topic, "failed").inc(failed)


def _together(refused: dict[int, SluiceError]) -> SluiceError:
    """One error for all the messages that were refused: the first one's, with every index in the details."""
    index, first = next(iter(refused.items()))
    details = [
        {"index": n, **(dict(error.details[0]) if error.details else {"message": error.message})}
        for n, error in refused.items()
    ]
    return type(first)(first.message if len(refused) == 1 else f"message {index}: {first.message}", details=details)
