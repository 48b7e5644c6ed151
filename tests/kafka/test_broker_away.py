"""What is promised while Kafka does not answer, and that nothing comes into being by being looked at."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from confluent_kafka.admin import AdminClient
from support import fresh_topic, publish, read_all, record

from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.errors import DeadlineExceeded, Disconnected, NotFound
from app.record import Failed, Limit, Position, Written
from app.topic import TopicSpec

pytestmark = pytest.mark.kafka

ALL = Limit(1000, 1 << 20)


def broker(server) -> KafkaBroker:
    return KafkaBroker(KafkaOptions((server.address,), request_timeout=2, close_timeout=1))


@asynccontextmanager
async def opened(server):
    log = broker(server)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


async def with_topic(log) -> str:
    name = fresh_topic("away")
    await log.create(TopicSpec(name, 1))
    await publish(log, name, record(b"before"))
    return name


async def test_nothing_comes_into_being_by_being_looked_at(own_kafka):
    async with opened(own_kafka) as log:
        absent = fresh_topic("absent")
        for look in (
            lambda: publish(log, absent, record()),
            lambda: log.fetch(Position(absent, 0, 0), ALL),
            lambda: log.committed("http-1", absent),
            lambda: log.commit("http-1", absent, {0: 1}),
            lambda: log.describe(absent),
            lambda: log.delete(absent),
        ):
            with pytest.raises(NotFound):
                await look()
    assert absent not in AdminClient({"bootstrap.servers": own_kafka.address}).list_topics(timeout=10).topics


async def test_a_topic_deleted_elsewhere_does_not_come_back_by_being_written_to(own_kafka):
    admin = AdminClient({"bootstrap.servers": own_kafka.address})
    async with opened(own_kafka) as log:
        topic = await with_topic(log)
        admin.delete_topics([topic])[topic].result(10)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                [outcome] = await publish(log, topic, record(b"late"), seconds=0.5)
            except NotFound:
                break
            assert isinstance(outcome, Failed) or outcome.offset > 0  # the old log's last moment; a new one starts at 0
        with pytest.raises(NotFound):
            await publish(log, topic, record(b"late"))
        with pytest.raises(NotFound):
            await log.fetch(Position(topic, 0, 0), ALL)
    assert topic not in admin.list_topics(timeout=10).topics


async def test_without_a_broker_every_call_says_so_and_is_well_again_with_it(own_kafka):
    log = broker(own_kafka)
    await log.open()
    topic = await with_topic(log)
    await log.committed("http-away", topic)
    waiting = asyncio.ensure_future(log.fetch(Position(topic, 0, 1), ALL, wait=30))
    await asyncio.sleep(0.1)
    own_kafka.stop()
    with pytest.raises(Disconnected):
        await asyncio.wait_for(waiting, 10)
    for call in (
        log.ping,
        log.topics,
        lambda: log.fetch(Position(topic, 0, 0), ALL),
        lambda: log.committed("http-away", topic),
        lambda: log.create(TopicSpec(fresh_topic("away"), 1)),
        lambda: publish(log, topic, record(b"refused")),
        broker(own_kafka).open,
    ):
        with pytest.raises(Disconnected) as caught:
            await asyncio.wait_for(call(), 10)
        assert caught.value.outcome == "not_written"
    own_kafka.start()
    await log.ping()
    assert [r.value for r in await read_all(log, topic)] == [b"before"]
    await log.close()
    await log.open()
    [outcome] = await publish(log, topic, record(b"after"))
    assert isinstance(outcome, Written)
    assert [r.value for r in await read_all(log, topic)] == [b"before", b"after"]
    await log.close()


async def test_a_write_cut_off_by_a_crash_is_of_unknown_outcome(own_kafka):
    log = broker(own_kafka)
    await log.open()
    topic = await with_topic(log)
    own_kafka.kill()
    begun = time.monotonic()
    outcomes = await publish(log, topic, record(b"a"), record(b"b"), seconds=1)
    assert time.monotonic() - begun < 3
    assert [(type(o.error), o.error.outcome) for o in outcomes] == [(DeadlineExceeded, "unknown")] * 2
    begun = time.monotonic()
    await log.close()
    assert time.monotonic() - begun < 6
    own_kafka.start()
    await log.open()
    assert [r.value for r in await read_all(log, topic)] in ([b"before"], [b"before", b"a", b"b"])
    await log.close()


async def test_of_a_frozen_broker_the_outcomes_tell_what_happens_when_it_thaws(own_kafka):
    """One batch is on its way: unknown. What waits behind it never was handed over: not written."""
    async with opened(own_kafka) as log:
        topic = await with_topic(log)
        own_kafka.freeze()
        await asyncio.sleep(0.1)  # a signal takes its time
        try:
            calls = []
            for value in (b"1", b"2", b"3"):
                calls.append(asyncio.ensure_future(publish(log, topic, record(value), seconds=1)))
                await asyncio.sleep(0.05)
            outcomes = [outcome for [outcome] in await asyncio.gather(*calls)]
        finally:
            own_kafka.thaw()
        assert [o.error.outcome for o in outcomes] == ["unknown", "not_written", "not_written"]
        [later] = await publish(log, topic, record(b"4"))
        assert isinstance(later, Written)
        assert [r.value for r in await read_all(log, topic)] == [b"before", b"1", b"4"]


async def test_a_repeat_of_what_may_yet_be_written_gets_its_place_and_is_not_written_too(own_kafka):
    log = KafkaBroker(KafkaOptions((own_kafka.address,)), dedupe_window_secs=600, dedupe_max_ids=1000)
    await log.open()
    try:
        topic = await with_topic(log)
        own_kafka.freeze()
        await asyncio.sleep(0.1)
        try:
            [told] = await publish(log, topic, record(b"once", event_id="e1"), seconds=0.5)
            again = asyncio.ensure_future(publish(log, topic, record(b"once", event_id="e1"), record(b"other")))
            await asyncio.sleep(0.3)
            assert told.error.outcome == "unknown"
            assert not again.done()
        finally:
            own_kafka.thaw()
        first, _ = await again
        assert (first.offset, first.duplicate) == (1, True)
        [later] = await publish(log, topic, record(b"once", event_id="e1"))
        assert (later.offset, later.duplicate) == (1, True)
        assert sorted(r.value for r in await read_all(log, topic)) == [b"before", b"once", b"other"]
    finally:
        await log.close()


async def test_closing_is_quick_and_leaves_nothing_behind_even_if_nobody_answers(own_kafka):
    mine = asyncio.all_tasks()
    log = broker(own_kafka)
    await log.open()
    topic = await with_topic(log)
    waiting = asyncio.ensure_future(log.fetch(Position(topic, 0, 1), ALL, wait=30))
    await asyncio.sleep(0.1)
    own_kafka.freeze()
    try:
        [outcome] = await publish(log, topic, record(b"x" * 900_000), seconds=0.5)
        assert isinstance(outcome, Failed)
        begun = time.monotonic()
        await log.close()
        assert time.monotonic() - begun < 6
    finally:
        own_kafka.thaw()
    with pytest.raises(Disconnected):
        await asyncio.wait_for(waiting, 10)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == mine


async def test_closing_a_healthy_connection_leaves_nothing_behind(own_kafka):
    mine = asyncio.all_tasks()
    log = broker(own_kafka)
    for _ in range(2):
        await log.open()
        topic = await with_topic(log)
        await log.fetch(Position(topic, 0, 1), ALL, wait=0.1)
        await log.close()
    await log.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == mine


async def test_a_caller_that_goes_away_leaves_no_call_half_sent(own_kafka):
    async with opened(own_kafka) as log:
        topic = fresh_topic("away")
        await log.create(TopicSpec(topic, 2, {"max.message.bytes": "5000"}))
        await publish(log, topic, record(partition=0), record(partition=1))
        call = asyncio.ensure_future(publish(log, topic, *(record(b"x" * 1000, partition=n % 2) for n in range(40))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        call.cancel()
        until = time.monotonic() + 10
        while (await log.describe(topic)).messages < 42:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


async def test_calls_that_queue_for_one_partition_lose_no_time_to_each_other(own_kafka):
    """aiokafka would take the time waited so far off again each round, and refuse those at the end of the queue."""
    async with opened(own_kafka) as log:
        topic = await with_topic(log)
        own_kafka.freeze()
        try:
            calls = [asyncio.ensure_future(publish(log, topic, record(b"%d" % n), seconds=30)) for n in range(200)]
            await asyncio.sleep(1)
        finally:
            own_kafka.thaw()
        outcomes = [outcome for [outcome] in await asyncio.gather(*calls)]
        assert {type(o) for o in outcomes} == {Written}
        assert sorted(o.offset for o in outcomes) == list(range(1, 201))
