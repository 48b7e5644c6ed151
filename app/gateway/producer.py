"""Sending: messages become records, each is checked before it joins a batch, and each gets an outcome."""

from collections.abc import Sequence
from time import perf_counter

from app.broker import Broker
from app.deadline import Clock, Deadline
from app.errors import MessageTooLarge, NotFound, SluiceError, ValidationFailed
from app.gateway.catalog import Catalog, KnownTopic
from app.gateway.message import Message, Origin, record_of
from app.gateway.partitioner import Spread, partition_of
from app.names import TopicName
from app.record import BATCH_HEADER, Failed, NewRecord, Outcome
from app.telemetry.metrics.messages import MessageMetrics


class Producer:
    """Writes messages to topics. One `send` is one call to the broker, whatever it holds."""

    def __init__(
        self,
        broker: Broker,
        catalog: Catalog,
        *,
        spread: Spread,
        clock: Clock,
        max_message_bytes: int,
        metrics: MessageMetrics,
    ) -> None:
        self._broker = broker
        self._catalog = catalog
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._metrics = metrics
        self._spread = spread

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
            records, refused = self._records(topic, known, messages, origin)
            if refused and any(isinstance(error, NotFound) for error in refused.values()):
                # A partition that is not there may be new: somebody else can have made it a moment ago.
                known = await deadline.run(self._catalog.look_up(topic, fresh=True))
                records, refused = self._records(topic, known, messages, origin)
        except SluiceError:
            self._metrics.send_refused(len(messages))
            raise
        if refused:
            self._metrics.failed(topic.stream, topic.topic, len(refused) if partial and records else len(messages))
            if not partial or not records:
                raise _together(refused)
        try:
            outcomes = await self._broker.publish(topic.full, records, deadline)
        except SluiceError as error:
            self._refused(topic, len(records), error)
            raise
        self._metrics.sent(topic.stream, topic.topic, records, outcomes, perf_counter() - started)
        return _in_place(refused, outcomes, len(messages)) if refused else outcomes

    def _refused(self, topic: TopicName, messages: int, error: SluiceError) -> None:
        """The broker has, as a whole."""
        if isinstance(error, NotFound):
            self._catalog.forget(topic)
            self._metrics.send_refused(messages)
        else:
            self._metrics.failed(topic.stream, topic.topic, messages)

    def _records(
        self, name: TopicName, topic: KnownTopic, messages: Sequence[Message], origin: Origin
    ) -> tuple[list[NewRecord], dict[int, SluiceError]]:
        """The records that can be written, and by its index why a message can't be.

        All those with neither key nor partition go to one partition.
        """
        now_ms = int(self._clock() * 1000)
        shared = self._spread(name.full, topic.partitions)
        common = origin.headers()
        records: list[NewRecord] = []
        refused: dict[int, SluiceError] = {}
        for index, message in enumerate(messages):
            key = message.key
            partition = message.partition_id
            if partition is None:
                partition = shared if key is None else partition_of(key, topic.partitions)
            record = record_of(message, partition, key, now_ms, common)
            if refusal := self._refusal(record, topic):
                refused[index] = refusal
            else:
                records.append(record)
        return records, refused

    def _refusal(self, record: NewRecord, topic: KnownTopic) -> SluiceError | None:
        """Why the broker would not take this record, found before it shares a batch with others."""
        if record.partition >= topic.partitions:
            return NotFound(f"partition {record.partition} does not exist: the topic has {topic.partitions}")
        if topic.compacted:
            if record.key is None:
                return ValidationFailed.of("partition_key", "is needed: the topic is compacted, which goes by keys")
        elif record.value is None:
            return ValidationFailed.of("event", "null deletes a key and needs a topic with cleanup.policy=compact")
        if record.size > self._max_message_bytes:
            return MessageTooLarge(f"the message has {record.size} bytes, at most {self._max_message_bytes} are taken")
        if record.framed > topic.room:
            most = BATCH_HEADER + topic.room
            return MessageTooLarge(f"the message has {record.size} bytes, its topic takes record batches of {most}")
        return None


def _in_place(refused: dict[int, SluiceError], outcomes: Sequence[Outcome], count: int) -> list[Outcome]:
    written = iter(outcomes)
    return [Failed(refused[index]) if index in refused else next(written) for index in range(count)]


def _together(refused: dict[int, SluiceError]) -> SluiceError:
    """One error for all the messages that were refused: the first one's, with every index in the details."""
    index, first = next(iter(refused.items()))
    details = [
        {"index": n, **(dict(error.details[0]) if error.details else {"message": error.message})}
        for n, error in refused.items()
    ]
    return type(first)(first.message if len(refused) == 1 else f"message {index}: {first.message}", details=details)
