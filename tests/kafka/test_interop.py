"""What we write others read, what others write we read: librdkafka is the witness."""

import asyncio
import uuid

import pytest
from confluent_kafka import TopicPartition
from support import fresh_topic, publish, read_all, record

from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.errors import Conflict
from app.record import Limit, Position
from app.topic import TopicSpec

pytestmark = pytest.mark.kafka

ALL = Limit(10_000, 1 << 20)


async def stable(log, topic, offset: int) -> None:
    """Wait for it: the broker ends a transaction a moment after it has answered that it does."""
    while (await log.describe(topic)).partitions[0].high_watermark < offset:
        await asyncio.sleep(0.01)


async def test_others_read_what_we_wrote(log, topic, witness):
    headers = (("event-id", b"x"), ("empty", b""), ("null", None), ("twice", b"1"), ("twice", b"\xff\x00"))
    await publish(
        log,
        topic,
        record(b'{"a":1}', key="ключ".encode(), headers=headers, now_ms=1_700_000_000_123),
        record(None, key=b"gone", now_ms=1_700_000_000_999),
        record(b"", key=b"", now_ms=1_700_000_000_001),
        record(None, now_ms=1_700_000_000_002),
    )
    first, second, third, fourth = witness.read(topic, 4)
    assert (first.key(), first.value(), first.offset()) == ("ключ".encode(), b'{"a":1}', 0)
    assert first.headers() == list(headers)
    assert [m.timestamp() for m in (first, second, third)] == [
        (1, 1_700_000_000_123),
        (1, 1_700_000_000_999),
        (1, 1_700_000_000_001),
    ]
    assert (second.key(), second.value()) == (b"gone", None)
    assert (third.key(), third.value()) == (b"", b"")
    assert (fourth.key(), fourth.value()) == (None, None)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_we_read_what_others_compressed(log, topic, witness, codec):
    values = [b'{"number":%d,"text":"%s"}' % (n, b"x" * 200) for n in range(300)]
    witness.write(topic, *values, **{"compression.type": codec, "linger.ms": 50})
    assert [r.value for r in await read_all(log, topic)] == values
    assert [r.value for r in await read_all(log, topic, step=7)] == values
    middle = await log.fetch(Position(topic, 0, 123), Limit(5, 1 << 20))
    assert [r.offset for r in middle.records] == [123, 124, 125, 126, 127]


async def test_we_read_others_keys_headers_and_tombstones(log, topic, witness):
    producer = witness.producer()
    headers = [("a", b"1"), ("null", None), ("empty", b"")]
    producer.produce(topic, None, b"k", partition=0, timestamp=1_600_000_000_000, headers=headers)
    producer.produce(topic, b"v", None, partition=0)
    assert producer.flush(20) == 0
    tombstone, keyless = await read_all(log, topic)
    assert (tombstone.key, tombstone.value, tombstone.timestamp_ms) == (b"k", None, 1_600_000_000_000)
    assert tombstone.headers == tuple(headers)
    assert (keyless.key, keyless.value) == (None, b"v")


async def test_aborted_transactions_and_control_records_are_not_shown(log, topic, witness):
    producer = witness.producer(**{"transactional.id": f"t-{uuid.uuid4()}"})
    producer.init_transactions(20)
    for ends, value in ((True, b"kept-1"), (False, b"dropped"), (True, b"kept-2"), (False, b"dropped-last")):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, value, partition=0)
        producer.flush(20)
        producer.commit_transaction(20) if ends else producer.abort_transaction(20)
    await stable(log, topic, 16)
    await publish(log, topic, record(b"plain"))

    found = await read_all(log, topic)
    assert [r.value for r in found] == [b"kept-1"] * 3 + [b"kept-2"] * 3 + [b"plain"]
    assert [r.offset for r in found] == [0, 1, 2, 8, 9, 10, 16]
    inside_aborted = await log.fetch(Position(topic, 0, 5), Limit(1, 1 << 20))
    assert [r.offset for r in inside_aborted.records] == [8]


async def test_an_empty_page_goes_on_behind_what_is_not_shown(log, topic, witness):
    producer = witness.producer(**{"transactional.id": f"t-{uuid.uuid4()}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"dropped", partition=0)
    producer.flush(20)
    producer.abort_transaction(20)
    await stable(log, topic, 2)
    fetched = await log.fetch(Position(topic, 0, 0), ALL)
    assert (fetched.records, fetched.next_offset, fetched.high_watermark) == ([], 2, 2)


async def test_an_open_transaction_ends_what_can_be_read(log, topic, witness):
    await publish(log, topic, record(b"before"))
    producer = witness.producer(**{"transactional.id": f"t-{uuid.uuid4()}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    producer.flush(20)
    await publish(log, topic, record(b"behind"))

    fetched = await log.fetch(Position(topic, 0, 0), ALL)
    assert ([r.value for r in fetched.records], fetched.next_offset, fetched.high_watermark) == ([b"before"], 1, 1)
    beyond = await log.fetch(Position(topic, 0, 2), ALL)
    assert (beyond.records, beyond.next_offset, beyond.high_watermark) == ([], 1, 1)
    assert (await log.describe(topic)).partitions[0].high_watermark == 1

    waiting = asyncio.ensure_future(log.fetch(Position(topic, 0, 1), ALL, wait=20))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(producer.commit_transaction, 20)
    assert (await asyncio.wait_for(waiting, 10)).records[0].value == b"open"
    await stable(log, topic, 4)
    assert [r.value for r in await read_all(log, topic)] == [b"before", b"open", b"behind"]


async def test_holes_that_compaction_leaves_are_stepped_over(log):
    topic = fresh_topic("kafka")
    configs = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    await log.create(TopicSpec(topic, 1, configs))
    for n in range(10):
        await publish(log, topic, *(record(b"%d" % n, key=b"same") for _ in range(5)), record(b"%d" % n, key=b"%d" % n))
    until = asyncio.get_running_loop().time() + 60
    while len(found := await read_all(log, topic)) > 20:
        assert asyncio.get_running_loop().time() < until, "the broker did not compact"
        await asyncio.sleep(0.2)
        await publish(log, topic, record(b"9", key=b"same"))
    offsets = [r.offset for r in found]
    assert offsets == sorted(set(offsets))
    assert {r.key for r in found} == {b"same", *(b"%d" % n for n in range(10))}
    in_a_hole = await log.fetch(Position(topic, 0, 1), Limit(1, 1 << 20))
    assert in_a_hole.records[0].offset == 5


async def test_offsets_we_commit_are_the_groups_for_everybody(log, topic, witness):
    group = f"http-{topic}"
    await log.commit(group, topic, {0: 5, 2: 7})
    consumer = witness.consumer(group)
    found = consumer.committed([TopicPartition(topic, n) for n in range(3)], timeout=10)
    consumer.close()
    assert [tp.offset for tp in found] == [5, -1001, 7]


async def test_offsets_others_commit_are_ours(log, topic, witness):
    group = f"http-{topic}"
    consumer = witness.consumer(group)
    consumer.assign([TopicPartition(topic, 1, 0)])
    consumer.commit(offsets=[TopicPartition(topic, 1, 42)], asynchronous=False)
    consumer.close()
    assert await log.committed(group, topic) == {1: 42}


async def test_a_group_with_live_members_takes_no_commit_from_us(log, topic, witness):
    group = f"http-{topic}"
    consumer = witness.consumer(group)
    consumer.subscribe([topic])
    while not consumer.assignment():
        await asyncio.to_thread(consumer.poll, 0.1)
    with pytest.raises(Conflict):
        await log.commit(group, topic, {0: 1})
    await asyncio.to_thread(consumer.close)
    await log.commit(group, topic, {0: 1})
    assert await log.committed(group, topic) == {0: 1}


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_we_compress_is_read_by_the_witness_and_by_us(kafka, witness, topic, compression):
    log = KafkaBroker(KafkaOptions(tuple(kafka.split(",")), compression=compression))
    await log.open()
    try:
        values = [b"%d " % n * 100 for n in range(500)]
        outcomes = await publish(log, topic, *(record(value) for value in values))
        assert [outcome.offset for outcome in outcomes] == list(range(500))
        [small] = await publish(log, topic, record(b"small"))
        assert small.offset == 500
        assert [message.value() for message in witness.read(topic, 501)] == [*values, b"small"]
        assert [found.value for found in await read_all(log, topic)] == [*values, b"small"]
    finally:
        await log.close()
