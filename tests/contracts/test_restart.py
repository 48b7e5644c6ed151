"""What outlives a restart, on the implementations that can."""

import uuid

import pytest
from support import fresh_topic, publish, read_all, record

from app.errors import NotFound
from app.topic import TopicSpec


@pytest.fixture
def durable(implementation):
    if not implementation.can.survive_restart:
        pytest.skip("forgets everything when it is closed")
    return implementation


async def test_records_and_offsets_go_on_where_they_were(durable, place):
    topic = fresh_topic()
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 2))
        await publish(log, topic, *(record(b"%d" % n, key=b"k", headers=(("h", b"x"),), partition=1) for n in range(5)))
        before = await read_all(log, topic, 1)
    async with durable.open(place) as log:
        assert await read_all(log, topic, 1) == before
        assert await read_all(log, topic, 0) == []
        [outcome] = await publish(log, topic, record(b"5", partition=1))
        assert outcome.offset == 5


async def test_topics_and_their_configurations_stay(durable, place):
    topic = fresh_topic()
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 2, {"retention.ms": "3600000"}))
        await publish(log, topic, record(b"x" * 1000))
        before = await log.describe(topic)
    async with durable.open(place) as log:
        assert (await log.topics())[topic] == 2
        after = await log.describe(topic)
        assert after.configs["retention.ms"] == "3600000"
        assert [(p.log_start_offset, p.high_watermark) for p in after.partitions] == [
            (p.log_start_offset, p.high_watermark) for p in before.partitions
        ]


async def test_committed_offsets_stay(durable, place):
    topic = fresh_topic()
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 2))
        await log.commit(f"http-{topic}", topic, {0: 3, 1: 4})
    async with durable.open(place) as log:
        assert await log.committed(f"http-{topic}", topic) == {0: 3, 1: 4}


async def test_a_repeat_is_known_after_a_restart(durable, place):
    if not durable.can.dedupe:
        pytest.skip("keeps no dedupe window")
    topic = fresh_topic()
    ids = [str(uuid.uuid4()) for _ in range(20)]
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 3))
        first = [(await publish(log, topic, record(event_id=i, partition=n % 3)))[0] for n, i in enumerate(ids)]
    async with durable.open(place) as log:
        again = await publish(log, topic, *(record(event_id=event_id) for event_id in ids))
        assert [(o.partition, o.offset, o.timestamp_ms) for o in again] == [
            (o.partition, o.offset, o.timestamp_ms) for o in first
        ]
        assert all(outcome.duplicate for outcome in again)


async def test_a_deleted_topic_stays_deleted(durable, place):
    topic = fresh_topic()
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 1))
        await publish(log, topic, record())
        await log.delete(topic)
    async with durable.open(place) as log:
        assert topic not in await log.topics()
        with pytest.raises(NotFound):
            await log.describe(topic)
        await log.create(TopicSpec(topic, 1))
        assert await read_all(log, topic) == []


async def test_what_was_altered_stays(durable, place):
    topic = fresh_topic()
    async with durable.open(place) as log:
        await log.create(TopicSpec(topic, 1, {"retention.ms": "60000"}))
        await publish(log, topic, record(b"before"))
        await log.alter(topic, partitions=3, configs={"max.message.bytes": "5000"})
        await publish(log, topic, record(b"after", partition=2))
    async with durable.open(place) as log:
        info = await log.describe(topic)
        assert len(info.partitions) == 3
        assert info.configs == {"retention.ms": "60000", "max.message.bytes": "5000"}
        assert [r.value for r in await read_all(log, topic, 0)] == [b"before"]
        assert [r.value for r in await read_all(log, topic, 2)] == [b"after"]
