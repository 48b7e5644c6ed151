"""What strangers do to a log between two polls of the same page: nothing that is gone is shown."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from support import publish, record

from app.errors import NotFound
from app.record import Limit, Position

pytestmark = pytest.mark.kafka

TEN = Limit(10, 1 << 20)


async def test_deleted_records_are_gone_from_pages_that_were_read_before(log, topic, kafka):
    await publish(log, topic, *(record(b"%d" % n) for n in range(50)))
    at = Position(topic, 0, 0)
    for _ in range(3):
        assert [r.offset for r in (await log.fetch(at, TEN)).records] == list(range(10))
    admin = AdminClient({"bootstrap.servers": kafka})
    [done] = admin.delete_records([TopicPartition(topic, 0, 5)]).values()
    done.result(10)
    found = await log.fetch(at, TEN)
    assert [r.offset for r in found.records] == list(range(5, 15))
    assert found.log_start_offset == 5


async def test_a_topic_that_a_stranger_made_anew_is_another_one(log, topic, kafka):
    await publish(log, topic, *(record(b"old") for _ in range(50)))
    at = Position(topic, 0, 0)
    for _ in range(3):
        assert {r.value for r in (await log.fetch(at, TEN)).records} == {b"old"}
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([topic])[topic].result(10)
    with pytest.raises(NotFound):
        await gone(log, at)
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(10)
    await publish(log, topic, *(record(b"new") for _ in range(20)))
    found = await log.fetch(at, TEN)
    assert {r.value for r in found.records} == {b"new"}
    assert found.high_watermark == 20


async def test_our_own_deletion_is_seen_at_once(log, topic):
    await publish(log, topic, *(record(b"old") for _ in range(50)))
    at = Position(topic, 0, 0)
    for _ in range(3):
        await log.fetch(at, TEN)
    await log.delete(topic)
    with pytest.raises(NotFound):
        await log.fetch(at, TEN)


async def gone(log, at: Position) -> None:
    """The broker may need a moment to delete."""
    for _ in range(1000):
        await log.fetch(at, TEN)
