"""What a topic lets go of, on the implementations that do it while a test can wait."""

import asyncio
import time

import pytest
from support import fresh_topic, publish, read_all, record

from app.record import Limit, Position
from app.topic import TopicSpec


@pytest.fixture(autouse=True)
def _prompt(can):
    if not can.retain_promptly:
        pytest.skip("retention takes its time")


async def make(log, **configs: str) -> str:
    name = fresh_topic()
    await log.create(TopicSpec(name, 2, {key.replace("_", "."): value for key, value in configs.items()}))
    return name


async def log_start_reaches(log, topic: str, offset: int) -> None:
    """Wait until the first partition starts at `offset` or later."""
    async with asyncio.timeout(10):
        while (await log.describe(topic)).partitions[0].log_start_offset < offset:  # no event tells
            await asyncio.sleep(0.02)


async def some_rounds() -> None:
    await asyncio.sleep(0.3)


async def test_old_records_leave_and_new_ones_stay(log):
    topic = await make(log, retention_ms="60000")
    now_ms = int(time.time() * 1000)
    for age_ms in (100_000, 90_000, 80_000, 1_000, 0):
        await publish(log, topic, record(b"%d" % age_ms, now_ms=now_ms - age_ms))
    await log_start_reaches(log, topic, 3)
    fetched = await log.fetch(Position(topic, 0, 0), Limit(10, 1000))
    assert [(r.offset, r.value) for r in fetched.records] == [(3, b"1000"), (4, b"0")]
    assert (fetched.log_start_offset, fetched.high_watermark, fetched.next_offset) == (3, 5, 5)


async def test_of_too_much_the_oldest_leaves_first(log):
    topic = await make(log, retention_bytes="5000")
    for n in range(20):
        await publish(log, topic, record(b"%d" % n + b"x" * 1000))
    await log_start_reaches(log, topic, 14)
    await some_rounds()
    info = await log.describe(topic)
    assert 4 <= info.messages <= 6
    assert info.partitions[0].high_watermark == 20
    assert 5000 <= info.size_bytes < 7000


async def test_offsets_are_not_used_again_when_everything_has_left(log):
    topic = await make(log, retention_ms="60000")
    old_ms = int(time.time() * 1000) - 100_000
    await publish(log, topic, record(now_ms=old_ms), record(now_ms=old_ms))
    await log_start_reaches(log, topic, 2)
    fetched = await log.fetch(Position(topic, 0, 0), Limit(10, 1000))
    assert (fetched.records, fetched.next_offset, fetched.log_start_offset) == ([], 2, 2)
    [outcome] = await publish(log, topic, record(b"new"))
    assert outcome.offset == 2
    assert (await log.describe(topic)).messages == 1


async def test_other_partitions_keep_theirs(log):
    topic = await make(log, retention_bytes="1000")
    for n in range(5):
        await publish(log, topic, record(b"x" * 900))
        if not n:
            await publish(log, topic, record(b"x" * 900, partition=1))
    await log_start_reaches(log, topic, 3)
    assert (await log.describe(topic)).partitions[1].log_start_offset == 0


async def test_a_retention_that_is_changed_holds_from_then_on(log):
    topic = await make(log, retention_ms="-1")
    old_ms = int(time.time() * 1000) - 100_000
    await publish(log, topic, record(now_ms=old_ms))
    await publish(log, topic, record())
    await some_rounds()
    assert (await log.describe(topic)).messages == 2
    await log.alter(topic, partitions=None, configs={"retention.ms": "60000"})
    await log_start_reaches(log, topic, 1)
    assert [r.offset for r in await read_all(log, topic)] == [1]


async def test_what_has_left_stays_gone_after_a_restart(implementation, place):
    if not implementation.can.survive_restart:
        pytest.skip("forgets everything when it is closed")
    async with implementation.open(place) as log:
        topic = await make(log, retention_bytes="5000")
        for n in range(20):
            await publish(log, topic, record(b"%d" % n + b"x" * 1000))
        await log_start_reaches(log, topic, 14)
        await some_rounds()
        before = await log.describe(topic)
    async with implementation.open(place) as log:
        assert await log.describe(topic) == before
        start = before.partitions[0].log_start_offset
        assert [r.offset for r in await read_all(log, topic)] == list(range(start, 20))


@pytest.mark.parametrize(
    "configs",
    [
        {"cleanup_policy": "compact", "retention_ms": "1000", "retention_bytes": "10"},
        {"retention_ms": "-1", "retention_bytes": "-1"},
    ],
)
async def test_without_a_limit_everything_stays(log, configs):
    topic = await make(log, **configs)
    old_ms = int(time.time() * 1000) - 100_000
    for n in range(5):
        await publish(log, topic, record(b"x" * 100, key=b"%d" % n, now_ms=old_ms))
    await some_rounds()
    info = await log.describe(topic)
    assert (info.messages, info.partitions[0].log_start_offset) == (5, 0)
