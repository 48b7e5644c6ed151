"""What is Kafka's own about topics and batches."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient
from support import fresh_topic, publish, read_all, record

from app.errors import AlreadyExists, Conflict, MessageTooLarge, ValidationFailed
from app.record import Failed, Limit, Position, Written
from app.topic import TopicSpec

pytestmark = pytest.mark.kafka


async def test_a_description_says_what_the_cluster_says(log, kafka):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 2, {"retention.ms": "3600000"}))
    await publish(log, name, record(b"x" * 5000), record(b"y" * 5000, partition=1))
    info = await log.describe(name)
    seen = AdminClient({"bootstrap.servers": kafka}).list_topics(name, timeout=10).topics[name]
    assert [p.leader for p in info.partitions] == [seen.partitions[n].leader for n in range(2)]
    assert [list(p.replicas) for p in info.partitions] == [seen.partitions[n].replicas for n in range(2)]
    assert [list(p.in_sync) for p in info.partitions] == [seen.partitions[n].isrs for n in range(2)]
    assert info.configs["retention.ms"] == "3600000"
    assert "cleanup.policy" not in info.configs
    assert 10_000 < info.size_bytes < 12_000


async def test_the_brokers_own_sentence_says_what_it_refuses(log):
    with pytest.raises(ValidationFailed, match=r"no\.such\.config"):
        await log.create(TopicSpec(fresh_topic("kafka"), 1, {"no.such.config": "1"}))
    with pytest.raises(ValidationFailed, match=r"^replication_factor: .*99"):
        await log.create(TopicSpec(fresh_topic("kafka"), 1, replication_factor=99))
    with pytest.raises(ValidationFailed, match=r"^partitions: "):
        await log.create(TopicSpec(fresh_topic("kafka"), 0))
    with pytest.raises(ValidationFailed, match=r"^name: "):
        await log.create(TopicSpec("no/name", 1))


async def test_a_name_that_differs_by_dot_and_underscore_only_is_a_conflict(log, topic):
    with pytest.raises(Conflict):
        await log.create(TopicSpec(topic.replace(".", "_"), 1))
    with pytest.raises(AlreadyExists):
        await log.create(TopicSpec(topic, 1))


async def test_a_deleted_name_may_come_back_wider_while_it_is_in_use(log, topic):
    for partitions in (1, 5, 2):
        await log.delete(topic)
        await log.create(TopicSpec(topic, partitions))
        outcomes = await publish(log, topic, *(record(b"%d" % n, partition=n) for n in range(partitions)))
        assert [o.offset for o in outcomes] == [0] * partitions


async def test_a_call_too_large_for_one_batch_becomes_consecutive_ones(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 1, {"max.message.bytes": "5000"}))
    outcomes = await publish(log, name, *(record(b"%03d" % n + b"x" * 400) for n in range(100)))
    assert [o.offset for o in outcomes] == list(range(100))
    assert [r.value[:3] for r in await read_all(log, name)] == [b"%03d" % n for n in range(100)]


async def test_a_record_too_large_for_the_topic_harms_no_other(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 1, {"max.message.bytes": "5000"}))
    outcomes = await publish(log, name, record(b"before"), record(b"x" * 5000), record(b"after"))
    assert [type(o) for o in outcomes] == [Written, Failed, Written]
    assert isinstance(outcomes[1].error, MessageTooLarge)
    assert outcomes[1].error.outcome == "not_written"
    [largest] = await publish(log, name, record(b"y" * 4900))
    assert largest.offset == 2


async def test_a_record_without_key_harms_no_other_on_a_compacted_topic(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 1, {"cleanup.policy": "compact"}))
    outcomes = await publish(log, name, record(b"1", key=b"k"), record(b"2"), record(b"3", key=b"k"))
    assert [type(o) for o in outcomes] == [Written, Failed, Written]
    assert isinstance(outcomes[1].error, ValidationFailed)


async def test_a_topic_may_stamp_its_records_itself(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 1, {"message.timestamp.type": "LogAppendTime"}))
    outcomes = await publish(log, name, record(now_ms=1000), record(now_ms=2000))
    assert [o.timestamp_ms for o in outcomes] == [r.timestamp_ms for r in await read_all(log, name)]
    assert outcomes[0].timestamp_ms > 1_700_000_000_000


async def test_a_record_of_several_megabytes_passes_where_the_topic_takes_it(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 1, {"max.message.bytes": "8000000"}))
    outcomes = await publish(log, name, record(b"a"), record(b"x" * 5_000_000), record(b"b"))
    assert [o.offset for o in outcomes] == [0, 1, 2]
    page = await log.fetch(Position(name, 0, 1), Limit(10, 1000))
    assert [len(r.value) for r in page.records] == [5_000_000]


async def test_more_reads_wait_than_there_are_lanes_and_none_holds_up_another(log):
    name = fresh_topic("kafka")
    await log.create(TopicSpec(name, 20))
    waits = [asyncio.ensure_future(log.fetch(Position(name, n, 0), Limit(1, 100), wait=30)) for n in range(20)]
    await asyncio.sleep(0.3)
    begun = asyncio.get_running_loop().time()
    await log.fetch(Position(name, 0, 0), Limit(1, 100))
    assert asyncio.get_running_loop().time() - begun < 0.3
    await publish(log, name, *(record(partition=n) for n in range(20)))
    for fetched in await asyncio.wait_for(asyncio.gather(*waits), 5):
        assert len(fetched.records) == 1


async def test_deleting_a_topic_takes_along_only_its_own_offsets(log, topic):
    other = fresh_topic("kafka")
    await log.create(TopicSpec(other, 1))
    group = f"http-{topic}"
    await log.commit(group, topic, {0: 1})
    await log.commit(group, other, {0: 2})
    await log.delete(topic)
    assert await log.committed(group, other) == {0: 2}


async def test_a_page_is_filled_by_its_values_however_large_keys_and_headers_are(log, topic):
    """Kafka counts the whole batch, a limit only the values: a page may take several requests."""
    for n in range(4):
        await publish(log, topic, record(b"%d" % n, headers=(("large", b"x" * 400_000),)))
    page = await log.fetch(Position(topic, 0, 0), Limit(10, 100))
    assert [r.value for r in page.records] == [b"0", b"1", b"2", b"3"]
    assert (page.next_offset, page.high_watermark) == (4, 4)
    page = await log.fetch(Position(topic, 0, 0), Limit(10, 3))
    assert ([r.offset for r in page.records], page.next_offset) == ([0, 1, 2], 3)
    page = await log.fetch(Position(topic, 0, 1), Limit(2, 100))
    assert ([r.offset for r in page.records], page.next_offset) == ([1, 2], 3)
