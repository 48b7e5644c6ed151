"""What `BrokerAdmin` promises."""

import asyncio

import pytest
from support import fresh_topic, publish, read_all, record

from app.errors import AlreadyExists, NotFound, ValidationFailed
from app.record import Limit, Position
from app.topic import TopicSpec


async def test_a_new_topic_can_be_used_at_once(log):
    name = fresh_topic()
    await log.create(TopicSpec(name, 5, {"retention.ms": "3600000", "max.message.bytes": "5000"}))
    assert (await log.topics())[name] == 5
    info = await log.describe(name)
    assert [p.partition for p in info.partitions] == [0, 1, 2, 3, 4]
    assert info.configs["retention.ms"] == "3600000"
    assert info.configs["max.message.bytes"] == "5000"
    assert info.messages == 0
    [outcome] = await publish(log, name, record(partition=4))
    assert outcome.offset == 0


async def test_figures_are_fresh(log, topic):
    await publish(log, topic, *(record(b"x" * 100, partition=n % 2) for n in range(10)))
    info = await log.describe(topic)
    assert [(p.log_start_offset, p.high_watermark) for p in info.partitions] == [(0, 5), (0, 5), (0, 0)]
    assert info.messages == 10


async def test_a_second_topic_of_the_name_is_refused(log, topic):
    with pytest.raises(AlreadyExists):
        await log.create(TopicSpec(topic, 1))
    assert (await log.topics())[topic] == 3


async def test_of_two_racing_creations_one_wins(log):
    name = fresh_topic()
    results = await asyncio.gather(*(log.create(TopicSpec(name, n)) for n in (1, 2)), return_exceptions=True)
    assert sorted(type(r) for r in results if r) == [AlreadyExists]
    assert results.count(None) == 1


@pytest.mark.parametrize(
    "configs",
    [{"no.such.config": "1"}, {"cleanup.policy": "burn"}, {"retention.ms": "soon"}, {"max.message.bytes": "-1"}],
)
async def test_a_configuration_the_broker_refuses_creates_nothing(log, configs):
    name = fresh_topic()
    with pytest.raises(ValidationFailed):
        await log.create(TopicSpec(name, 1, configs))
    assert name not in await log.topics()


async def test_too_many_replicas_are_refused(log):
    with pytest.raises(ValidationFailed):
        await log.create(TopicSpec(fresh_topic(), 1, replication_factor=99))


async def test_a_deleted_topic_is_gone_with_its_records_and_offsets(log, topic):
    await publish(log, topic, record(b"old"))
    await log.commit(f"http-{topic}", topic, {0: 1})
    await log.delete(topic)
    assert topic not in await log.topics()
    with pytest.raises(NotFound):
        await publish(log, topic, record())
    with pytest.raises(NotFound):
        await log.fetch(Position(topic, 0, 0), Limit(1, 1))
    with pytest.raises(NotFound):
        await log.delete(topic)
    assert topic not in await log.topics()


async def test_a_deleted_name_can_be_used_again_at_once(log, topic):
    await publish(log, topic, record(b"old"))
    await log.commit(f"http-{topic}", topic, {0: 1})
    await log.delete(topic)
    await log.create(TopicSpec(topic, 1))
    assert await log.committed(f"http-{topic}", topic) == {}
    assert await read_all(log, topic) == []
    [outcome] = await publish(log, topic, record(b"new"))
    assert outcome.offset == 0
    assert [r.value for r in await read_all(log, topic)] == [b"new"]


async def test_deleting_a_topic_ends_the_reads_that_wait_on_it(log, topic):
    waiting = asyncio.ensure_future(log.fetch(Position(topic, 0, 0), Limit(1, 100), wait=20))
    await asyncio.sleep(0.1)
    await log.delete(topic)
    with pytest.raises(NotFound):
        await asyncio.wait_for(waiting, 10)


async def test_ping_answers(log):
    await log.ping()


async def test_a_layout_tells_what_a_send_has_to_know(log):
    name = fresh_topic()
    await log.create(TopicSpec(name, 2, {"max.message.bytes": "5000", "cleanup.policy": "compact"}))
    layout = await log.layout(name)
    assert (layout.partitions, layout.configs.max_message_bytes, layout.configs.compacted) == (2, 5000, True)
    with pytest.raises(NotFound):
        await log.layout(fresh_topic())


async def test_many_topics_are_described_at_once_and_those_that_are_not_there_left_out(log, topic):
    other = fresh_topic()
    await log.create(TopicSpec(other, 2, {"retention.ms": "60000"}))
    await publish(log, other, record(b"x" * 1000, partition=1), record(b"x" * 1000, partition=1))
    infos = await log.describe_many([other, fresh_topic(), topic])
    assert [info.name for info in infos] == [other, topic]
    assert infos == [await log.describe(other), await log.describe(topic)]
    assert infos[0].messages == 2
    assert infos[0].configs == {"retention.ms": "60000"}
    assert infos[0].size_bytes >= 2000
    assert await log.describe_many([]) == []
