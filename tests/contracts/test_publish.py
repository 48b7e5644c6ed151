"""What `Broker.publish` promises."""

import asyncio
import uuid

import pytest
from support import publish, read_all, record

from app.errors import NotFound
from app.record import Limit, Position, Written
from app.topic import TopicSpec


async def test_a_written_record_stands_at_the_offset_that_was_answered(log, topic):
    [outcome] = await publish(log, topic, record(b'{"a":1}', partition=2, now_ms=1_700_000_000_123))
    assert isinstance(outcome, Written)
    assert (outcome.partition, outcome.offset, outcome.duplicate) == (2, 0, False)
    fetched = await log.fetch(Position(topic, 2, outcome.offset), Limit(1, 1000))
    assert fetched.records[0].value == b'{"a":1}'
    assert fetched.records[0].timestamp_ms == outcome.timestamp_ms == 1_700_000_000_123


async def test_key_headers_and_value_come_back_byte_for_byte(log, topic):
    headers = (("event-id", b"x"), ("empty", b""), ("null", None), ("twice", b"1"), ("twice", b"\xff\x00"))
    await publish(log, topic, record(b"\x00\xff not json", key="ключ".encode(), headers=headers))
    [found] = await read_all(log, topic)
    assert (found.key, found.value, found.headers) == ("ключ".encode(), b"\x00\xff not json", headers)


async def test_a_null_value_and_a_null_key_are_not_empty_ones(log, topic):
    await publish(log, topic, record(None, key=b"k"), record(b"", key=b""), record(b"v"))
    assert [(r.key, r.value) for r in await read_all(log, topic)] == [(b"k", None), (b"", b""), (None, b"v")]


async def test_offsets_of_a_batch_are_consecutive_in_the_order_given(log, topic):
    outcomes = await publish(log, topic, *(record(b"%d" % n, partition=1) for n in range(500)))
    assert [o.offset for o in outcomes] == list(range(500))
    assert [r.value for r in await read_all(log, topic, 1)] == [b"%d" % n for n in range(500)]


async def test_a_batch_over_several_partitions_answers_in_the_order_of_the_request(log, topic):
    outcomes = await publish(log, topic, *(record(b"%d" % n, partition=n % 3) for n in range(30)))
    assert [o.partition for o in outcomes] == [n % 3 for n in range(30)]
    assert [o.offset for o in outcomes] == [n // 3 for n in range(30)]


async def test_many_at_once_get_offsets_without_gap_or_repeat(log, topic):
    answers = await asyncio.gather(
        *(
            publish(log, topic, record(b"%d-%d" % (n, m)), record(b"%d-%d" % (n, m + 1)))
            for n in range(100)
            for m in (0, 2)
        )
    )
    offsets = sorted(outcome.offset for outcomes in answers for outcome in outcomes)
    assert offsets == list(range(400))
    for outcomes in answers:
        assert outcomes[1].offset == outcomes[0].offset + 1


async def test_unknown_topics_are_refused_and_not_created(log, topic):
    with pytest.raises(NotFound):
        await publish(log, "contract.absent", record())
    assert "contract.absent" not in await log.topics()


async def test_one_unknown_partition_refuses_the_call_and_writes_nothing(log, topic):
    with pytest.raises(NotFound, match="3"):
        await publish(log, topic, record(), record(partition=3))
    assert await read_all(log, topic) == []


async def test_a_repeated_id_is_not_stored_again(log, topic, can):
    if not can.dedupe:
        pytest.skip("keeps no dedupe window")
    event_id = str(uuid.uuid4())
    [first] = await publish(log, topic, record(b"1", event_id=event_id, partition=1))
    [other] = await publish(log, topic, record(b"2", event_id=str(uuid.uuid4()), partition=1))
    [again] = await publish(log, topic, record(b"other body", event_id=event_id, partition=2))
    assert (again.partition, again.offset, again.timestamp_ms) == (1, first.offset, first.timestamp_ms)
    assert (first.duplicate, other.duplicate, again.duplicate) == (False, False, True)
    assert [r.value for r in await read_all(log, topic, 1)] == [b"1", b"2"]
    assert await read_all(log, topic, 2) == []


async def test_an_id_repeated_within_a_call_gets_the_first_ones_position(log, topic, can):
    if not can.dedupe:
        pytest.skip("keeps no dedupe window")
    event_id = str(uuid.uuid4())
    outcomes = await publish(log, topic, *(record(b"%d" % n, event_id=event_id) for n in range(3)))
    assert [(o.offset, o.duplicate) for o in outcomes] == [(0, False), (0, True), (0, True)]


async def test_an_id_repeated_while_in_flight_is_stored_once(log, topic, can):
    if not can.dedupe:
        pytest.skip("keeps no dedupe window")
    event_id = str(uuid.uuid4())
    answers = await asyncio.gather(
        *(publish(log, topic, record(event_id=event_id, partition=n % 3)) for n in range(30))
    )
    assert sorted(o.duplicate for [o] in answers) == [False, *[True] * 29]
    assert len({(o.partition, o.offset) for [o] in answers}) == 1


async def test_the_same_id_is_new_on_another_topic(log, topic, can):
    event_id = str(uuid.uuid4())
    await log.create(TopicSpec(f"{topic}-other", 1))
    await publish(log, topic, record(event_id=event_id))
    [outcome] = await publish(log, f"{topic}-other", record(event_id=event_id))
    assert outcome.duplicate is False
