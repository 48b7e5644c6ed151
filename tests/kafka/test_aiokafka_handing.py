"""How batches and requests pass through aiokafka's hands, by parts of it that it promises nothing about."""

# ruff: noqa: SLF001

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import ProducerClosed
from aiokafka.structs import TopicPartition

from app.brokers.kafka import internals
from app.brokers.kafka.handing import hand_over, send_in_one_piece


async def test_a_batch_is_handed_over_at_once_where_aiokafka_holds_none_and_knows_the_partition():
    producer = internals.Producer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True, acks="all")
    rows = [(0, number, 0, [0], [0]) for number in range(2)]
    cluster = SimpleNamespace(
        API_VERSION=1, brokers=[(0, "h", 1, None)], controller_id=0, topics=[(0, "t", False, rows)]
    )
    producer.client.cluster.update_metadata(cluster)
    try:
        delivery = await hand_over(producer, producer.create_batch(), "t", 1)
        [(at, [held])] = producer._message_accumulator._batches.items()
        assert at == ("t", 1)
        held.done(17, -1)
        assert (await delivery).offset == 17
        waits = asyncio.ensure_future(hand_over(producer, producer.create_batch(), "t", 1))
        await asyncio.sleep(0)
        assert not waits.done()
        waits.cancel()
        with pytest.raises(AssertionError):
            await hand_over(producer, producer.create_batch(), "t", 5)
    finally:
        await internals.abort_producer(producer, 1)
    await producer._message_accumulator.close()
    with pytest.raises(ProducerClosed):
        await hand_over(producer, producer.create_batch(), "t", 0)


async def test_a_sender_sends_by_our_handler_and_opens_the_partitions_again():
    producer = internals.Producer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True, acks="all")
    send_in_one_piece(producer)
    sent = []

    async def send(node_id, request):
        sent.append((node_id, request.prepare({0: (0, 7)})))
        return SimpleNamespace(API_VERSION=5, topics=[("t", [(1, 0, 17, -1, 0)])])

    producer.client.send = send
    try:
        held, sender = producer._message_accumulator, producer._sender
        batch = producer.create_batch()
        batch.append(timestamp=1, key=None, value=b"x")
        producer._txn_manager.set_pid_and_epoch(4711, 0)
        at = TopicPartition("t", 1)
        delivery = held._append_batch(batch, at).future
        batches = {at: held._pop_batch(at)}
        sender._in_flight.add(0)
        sender._muted_partitions.add(at)
        await sender._send_produce_req(0, batches)
        assert (await delivery).offset == 17
        [(node, request)] = sent
        assert (node, request.required_acks, request.topics[0][0]) == (0, -1, "t")
        assert sender._in_flight == sender._muted_partitions == set()
    finally:
        await internals.abort_producer(producer, 1)
