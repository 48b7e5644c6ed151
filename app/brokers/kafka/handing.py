"""Record batches into aiokafka's hands, and out of them in one piece. As `internals`, it leans on private parts.

aiokafka promises nothing about these. tests/kafka/test_aiokafka_handing.py checks each: an upgrade fails there.
"""

import asyncio
import struct
from collections.abc import Mapping
from types import MethodType
from typing import Any, ClassVar

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

from app.brokers.kafka.internals import Producer, known_partitions

_HEAD = struct.Struct(">hhii")
_LENGTH = struct.Struct(">h")
_COUNT = struct.Struct(">i")
_PARTITION = struct.Struct(">ii")
_NO_TRANSACTION = -1
_SAME_FORM = range(3, 8)
"""Versions of https://kafka.apache.org/protocol#The_Messages_Produce that differ in their answers alone."""


class _OnePiece:
    """Writes itself out at once: aiokafka copies every batch six times on its way through the fields."""

    required_acks: int
    timeout: int
    topics: list[tuple[str, list[tuple[int, bytes]]]]

    def encode(self) -> bytes:
        pieces: list[bytes] = [_HEAD.pack(_NO_TRANSACTION, self.required_acks, self.timeout, len(self.topics))]
        for topic, partitions in self.topics:
            name = topic.encode()
            pieces += (_LENGTH.pack(len(name)), name, _COUNT.pack(len(partitions)))
            for partition, batch in partitions:
                pieces += (_PARTITION.pack(partition, len(batch)), batch)
        return b"".join(pieces)


class Produce(ProduceRequest):  # type: ignore[misc]  # aiokafka carries no types
    """A produce request without a transaction."""

    _ONE_PIECE: ClassVar = {
        kind: type(kind.__name__, (_OnePiece, kind), {})
        for kind in ProduceRequest._CLASSES  # noqa: SLF001
        if kind.API_VERSION in _SAME_FORM
    }

    def build(self, request_struct_class: type[Any]) -> Any:
        return super().build(self._ONE_PIECE.get(request_struct_class, request_struct_class))


class _Handler(SendProduceReqHandler):  # type: ignore[misc]  # aiokafka carries no types
    def create_request(self) -> Produce:
        topics: dict[str, list[tuple[int, bytes]]] = {}
        for at, batch in self._batches.items():
            topics.setdefault(at.topic, []).append((at.partition, batch.get_data_buffer()))
        acks, timeout = self._sender._acks, self._sender._request_timeout_ms  # noqa: SLF001
        return Produce(None, acks, timeout, list(topics.items()))


async def _send_produce_req(sender: Sender, node_id: int, batches: Mapping[TopicPartition, Any]) -> None:
    """As aiokafka's, by our handler."""
    await _Handler(sender, batches).do(node_id)
    sender._in_flight.remove(node_id)  # noqa: SLF001
    sender._muted_partitions.difference_update(batches)  # noqa: SLF001


def send_in_one_piece(producer: Producer) -> None:
    """Let the producer, which is not started yet, write its requests so."""
    producer._sender._send_produce_req = MethodType(_send_produce_req, producer._sender)  # noqa: SLF001


async def hand_over(producer: Producer, batch: BatchBuilder, topic: str, partition: int) -> "asyncio.Future[Any]":
    """As `send_batch`, which looks at much more than is needed where aiokafka holds nothing of that partition."""
    held, at = producer._message_accumulator, TopicPartition(topic, partition)  # noqa: SLF001
    free = not held._closed and held._exception is None and at not in held._batches  # noqa: SLF001
    if free and partition in known_partitions(producer, topic):
        delivery: asyncio.Future[Any] = held._append_batch(batch, at).future  # noqa: SLF001
    else:
        delivery = await producer.send_batch(batch, topic, partition=partition)
    return delivery
