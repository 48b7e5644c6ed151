"""Every private part of aiokafka that this package leans on, in one place.

aiokafka promises nothing about these. tests/kafka/test_aiokafka_contract.py checks each: an upgrade fails there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from types import MethodType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    CommitFailedError,
    CorruptRecordException,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
    DescribeGroupsRequest,
    ListGroupsRequest,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Int64, Schema, String
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from app.brokers.kafka import batch_heads
from app.brokers.kafka.refusals import ask_why
from app.record import Position

__all__ = [
    "READ_COMMITTED",
    "AlterConfigsRequest",
    "Array",
    "BatchBuilder",
    "Boolean",
    "Client",
    "CommitFailedError",
    "CommittedRecords",
    "Coordinator",
    "CreatePartitionsRequest",
    "CreateTopicsRequest",
    "DeleteTopicsRequest",
    "DescribeConfigsRequest",
    "DescribeGroupsRequest",
    "FetchRequest",
    "FindCoordinatorRequest",
    "Int16",
    "Int32",
    "Int64",
    "ListGroupsRequest",
    "MetadataRequest",
    "OffsetCommitRequest",
    "OffsetFetchRequest",
    "OffsetRequest",
    "Producer",
    "RebalanceListener",
    "Request",
    "RequestStruct",
    "Response",
    "Schema",
    "String",
    "abort_producer",
    "close_client",
    "committed_at",
    "dead_task",
    "forget_topic",
    "known_partitions",
    "make_coordinator",
    "member_assignment",
]


class Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka carries no types
    """aiokafka's client, whose own refreshes would create every topic that they name: these never do."""

    def __init__(self, *, bootstrap_servers: list[str], **options: Any) -> None:
        super().__init__(bootstrap_servers=bootstrap_servers, **options)
        self._options = options

    async def bootstrap(self) -> None:
        """As aiokafka's. Raises what TLS, the token command or a broker says against us, not only that it failed."""
        try:
            await super().bootstrap()
        except KafkaConnectionError:
            if self._security_protocol != "PLAINTEXT":
                servers = [(host, port) for host, port, _ in self.hosts]
                await ask_why(servers, self._options, self._request_timeout_ms / 1000)
            raise
        if self._security_protocol.startswith("SASL") and not self.cluster.brokers():
            # To aiokafka a refused token is a login, and the error that comes instead of metadata an empty cluster.
            raise SaslAuthenticationFailed("the token was refused")

    async def _metadata_update(self, cluster_metadata: Any, topics: Iterable[str]) -> bool:
        request = MetadataRequest(list(topics), allow_auto_topic_creation=False)
        for broker in list(self.cluster.brokers()):
            with contextlib.suppress(KafkaError, asyncio.TimeoutError, OSError, KeyError):
                answer = await self.send(broker.nodeId, request)
                if answer.brokers:
                    cluster_metadata.update_metadata(answer)
                    return True
        cluster_metadata.failed_update(None)
        return False


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka carries no types
    """aiokafka's producer on a client that never creates topics."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client._metadata_update = MethodType(Client._metadata_update, self.client)  # noqa: SLF001


class CommittedRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka carries no types
    """The data batches of a fetch answer: of committed transactions only, checksums checked.

    Goes through batches where aiokafka makes a ConsumerRecord of each record, which costs more than the rest together.
    """

    def __init__(self, at: Position, data: bytes, aborted: list[tuple[int, int]]) -> None:
        super().__init__(
            tp=TopicPartition(at.topic, at.partition),
            records=MemoryRecords(data),
            aborted_transactions=aborted,
            fetch_offset=at.offset,
            key_deserializer=None,
            value_deserializer=None,
            check_crcs=True,
            isolation_level=READ_COMMITTED,
        )
        self._records_iterator = None
        self._data = memoryview(data)
        self.compressed = False
        """Whether a batch was, of those gone through."""

    def batches(self) -> Generator[Any, None, None]:
        """Iterables of records with `offset`, `timestamp`, `key`, `value` and `headers`, each with a `next_offset`.

        `next_fetch_offset` is behind what was gone through or left out. Raises CorruptRecordException.
        """
        start = 0
        while self._records.has_next():
            batch = self._records.next_batch()
            end = batch_heads.end_of(self._data, start)
            data = self._data[start:end]
            if not (batch.validate_crc() if batch_heads.is_old(data) else batch_heads.is_sound(data)):
                raise CorruptRecordException
            self.compressed = self.compressed or batch_heads.is_compressed(data)
            start = end
            if not self._left_out(batch):
                yield batch
            self.next_fetch_offset = batch.next_offset

    def _left_out(self, batch: Any) -> bool:
        if batch.producer_id is None:
            return bool(batch.is_control_batch)
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch:
            if self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            return True
        return batch.is_transactional and batch.producer_id in self._aborted_producers


def member_assignment(data: bytes) -> tuple[tuple[str, int], ...]:
    """The partitions assigned to a member of a group, by topic. Raises whatever decoding raises."""
    if not data:
        return ()
    assigned = ConsumerProtocolMemberAssignment.decode(data).partitions()
    return tuple((partition.topic, partition.partition) for partition in assigned)


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Tells of the partitions of one topic that are taken away, and given."""

    def __init__(self, revoked: Callable[[], Awaitable[None]], given: Callable[[set[int]], Awaitable[None]]) -> None:
        self._revoked = revoked
        self._given = given

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        await self._given({partition.partition for partition in assigned})


class Coordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka carries no types
    """aiokafka's, which otherwise belongs to a consumer."""

    @property
    def ended(self) -> bool:
        """Whether nobody looks after the membership any more."""
        return bool(self._coordination_task.done())


def make_coordinator(client: Client, group: str, topic: str, listener: RebalanceListener) -> Coordinator:
    """A member that joins by itself, and is never taken for idle, though nothing is fetched by it."""
    subscription = SubscriptionState()
    subscription.subscribe({topic}, listener)
    return Coordinator(
        client,
        subscription,
        group_id=group,
        enable_auto_commit=False,
        exclude_internal_topics=False,
        max_poll_interval_ms=2**31 - 1,
    )


def committed_at(topic: str, offsets: Mapping[int, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Next offsets by partition, as aiokafka commits them."""
    return {TopicPartition(topic, partition): OffsetAndMetadata(at, "") for partition, at in offsets.items()}


def known_partitions(producer: Producer, topic: str) -> set[int]:
    """Those a batch can be handed over for; aiokafka asserts that it can."""
    known: set[int] | None = producer.client.cluster.partitions_for_topic(topic)
    return known or set()


def forget_topic(producer: Producer, topic: str) -> None:
    """The topic is gone: ask for it no more, and fail what waits for it, which aiokafka would send again and again."""
    producer.client._topics.discard(topic)  # noqa: SLF001
    waiting = producer._message_accumulator._batches  # noqa: SLF001
    for partition in [known for known in waiting if known.topic == topic]:
        for batch in waiting.pop(partition):
            batch.failure(UnknownTopicOrPartitionError())
            batch._drain_waiter.exception()  # noqa: SLF001


def dead_task(producer: Producer) -> str | None:
    """Which of the producer's background tasks has ended, if one has: from then on sends fail, or wait for ever."""
    tasks = {"sender": producer._sender.sender_task, "metadata": producer.client._sync_task}  # noqa: SLF001
    return next((f"its {name} task has ended" for name, task in tasks.items() if task is None or task.done()), None)


async def close_client(client: AIOKafkaClient, seconds: float) -> None:
    """Close within `seconds`: gracefully, else by dropping the connections, whose unsent bytes may never leave."""
    transports = [conn._writer.transport for conn in client._conns.values() if conn._writer]  # noqa: SLF001
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await client.close()
    for transport in transports:
        transport.abort()


async def abort_producer(producer: Producer, seconds: float) -> None:
    """Let go of a producer that can't or won't stop: its tasks end, what it held fails as KafkaConnectionError."""
    producer._closed = True  # noqa: SLF001  # or it warns when collected
    sender, held = producer._sender, producer._message_accumulator  # noqa: SLF001
    owners = (sender, held, producer.client)
    for task in (tasks := [task for task in asyncio.all_tasks() if _runs_for(task, owners)]):
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    await close_client(producer.client, seconds)
    waiting = [batch for batches in held._batches.values() for batch in batches]  # noqa: SLF001
    for batch in (*waiting, *held._pending_batches):  # noqa: SLF001
        if not batch.future.done():
            batch.future.set_exception(KafkaConnectionError("the producer was closed"))
            batch.future.exception()


def _runs_for(task: "asyncio.Task[Any]", owners: tuple[object, ...]) -> bool:
    """Whether the task runs a method of one of the owners. aiokafka keeps no list of its tasks."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame is not None and any(frame.f_locals.get("self") is owner for owner in owners)
