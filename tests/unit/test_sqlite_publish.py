"""Publishing to the embedded log while its writer is held up, and the edges of the dedupe window."""

import asyncio
import threading
import time
import uuid

import pytest
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.errors import DeadlineExceeded, SendFailed
from app.record import Failed, Limit, Position, Written
from app.topic import TopicSpec

TOPIC = "unit.publish"


class Clock:
    """Tells the time that is set; `held` keeps the writer, which asks for it at each transaction, waiting."""

    def __init__(self) -> None:
        self.now = time.time()
        self.asked = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> float:
        self.asked.set()
        assert self.free.wait(20)
        return self.now

    async def hold_up(self, log) -> asyncio.Task:
        """Let the writer take one record and stop there."""
        self.asked.clear()
        self.free.clear()
        taken = asyncio.ensure_future(publish(log, TOPIC, record(b"taken"), seconds=0.3))
        await asyncio.to_thread(self.asked.wait, 10)
        return taken


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def log(clock, tmp_path):
    log = SqliteBroker(tmp_path / "log.db", clock=clock, dedupe_window_secs=60, dedupe_max_ids=5)
    await log.open()
    await log.create(TopicSpec(TOPIC, 2))
    yield log
    clock.free.set()
    await log.close()


async def values(log) -> list[bytes]:
    return [stored.value for stored in await read_all(log, TOPIC)]


async def test_at_its_deadline_what_waits_is_withdrawn_and_what_was_taken_is_unknown(log, clock):
    taken = await clock.hold_up(log)
    waiting = await publish(log, TOPIC, record(b"waiting"), record(b"too"), seconds=0.1)
    assert [type(outcome.error) for outcome in waiting] == [DeadlineExceeded] * 2
    assert [outcome.error.outcome for outcome in waiting] == ["not_written"] * 2
    [outcome] = await taken
    assert isinstance(outcome.error, DeadlineExceeded)
    assert outcome.error.outcome == "unknown"
    clock.free.set()
    [after] = await publish(log, TOPIC, record(b"after"))
    assert after.offset == 1
    assert await values(log) == [b"taken", b"after"]


async def test_a_cancelled_caller_writes_nothing_or_everything(log, clock):
    taken = await clock.hold_up(log)
    waiting = asyncio.ensure_future(publish(log, TOPIC, record(b"waiting")))
    creating = asyncio.ensure_future(log.create(TopicSpec("unit.cancelled", 1)))
    await asyncio.sleep(0)
    for task in (taken, waiting, creating):
        task.cancel()
    await asyncio.wait({taken, waiting, creating})
    clock.free.set()
    await log.ping()
    assert await values(log) == [b"taken"]
    assert list(await log.topics()) == [TOPIC]


async def test_what_waits_when_the_log_is_closed_is_written(log, clock):
    await clock.hold_up(log)
    waiting = asyncio.ensure_future(publish(log, TOPIC, record(b"waiting")))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(log.close())
    await asyncio.sleep(0.05)
    clock.free.set()
    await closing
    [outcome] = await waiting
    assert outcome == Written(0, 1, outcome.timestamp_ms)
    await log.open()
    assert await values(log) == [b"taken", b"waiting"]


async def test_a_record_that_can_not_be_stored_harms_no_stranger(log, clock):
    await clock.hold_up(log)
    impossible = record(b"x", now_ms=2**70)
    calls = [asyncio.ensure_future(publish(log, TOPIC, new)) for new in (record(b"1"), impossible, record(b"2"))]
    await asyncio.sleep(0)
    clock.free.set()
    [[first], [refused], [second]] = await asyncio.gather(*calls)
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, SendFailed)
    assert (first.offset, second.offset) == (1, 2)
    assert await values(log) == [b"taken", b"1", b"2"]


def stamped(clock, event_id):
    return record(event_id=event_id, now_ms=int(clock.now * 1000))


async def test_an_id_is_new_again_once_it_has_left_the_window(log, clock):
    event_id = str(uuid.uuid4())
    [first] = await publish(log, TOPIC, stamped(clock, event_id))
    clock.now += 59
    [repeat] = await publish(log, TOPIC, stamped(clock, event_id))
    clock.now += 2
    [later] = await publish(log, TOPIC, stamped(clock, event_id))
    assert [(o.offset, o.duplicate) for o in (first, repeat, later)] == [(0, False), (0, True), (1, False)]


async def test_only_the_last_ids_are_remembered_also_after_a_restart(log, clock):
    ids = [str(uuid.uuid4()) for _ in range(7)]
    for event_id in ids:
        await publish(log, TOPIC, stamped(clock, event_id))
    await log.close()
    await log.open()
    [newest] = await publish(log, TOPIC, stamped(clock, ids[2]))
    [forgotten] = await publish(log, TOPIC, stamped(clock, ids[1]))
    assert (newest.offset, newest.duplicate) == (2, True)
    assert (forgotten.offset, forgotten.duplicate) == (7, False)


async def test_the_window_ends_at_the_same_moment_after_a_restart(log, clock):
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    await publish(log, TOPIC, stamped(clock, old))
    clock.now += 30
    await publish(log, TOPIC, stamped(clock, young))
    await log.close()
    clock.now += 31
    await log.open()
    outcomes = await publish(log, TOPIC, stamped(clock, old), stamped(clock, young))
    assert [o.duplicate for o in outcomes] == [False, True]


async def test_what_is_read_before_the_writer_knows_of_it_is_not_taken_for_a_topic_made_anew(tmp_path):
    committed, free = threading.Event(), threading.Event()

    def hold(*_):
        committed.set()
        assert free.wait(20)

    free.set()
    log = SqliteBroker(tmp_path / "log.db", clock=time.time, committed=hold, dedupe_window_secs=60, dedupe_max_ids=5)
    await log.open()
    try:
        await log.create(TopicSpec(TOPIC, 1))
        committed.clear()
        free.clear()
        sending = asyncio.ensure_future(publish(log, TOPIC, record(b"one")))
        await asyncio.to_thread(committed.wait, 10)
        ahead = await log.fetch(Position(TOPIC, 0, 1), Limit(10, 1000))
        assert (ahead.records, ahead.next_offset, ahead.high_watermark) == ([], 1, 1)
        waiting = asyncio.ensure_future(log.fetch(Position(TOPIC, 0, 1), Limit(10, 1000), 20))
        await asyncio.sleep(0.1)
        free.set()
        await sending
        await publish(log, TOPIC, record(b"two"))
        assert [found.offset for found in (await waiting).records] in ([], [1])
    finally:
        free.set()
        await log.close()


async def test_an_offset_beyond_the_end_is_the_end(log):
    await publish(log, TOPIC, record(b"one"))
    beyond = await log.fetch(Position(TOPIC, 0, 99), Limit(10, 1000))
    assert (beyond.records, beyond.next_offset, beyond.high_watermark) == ([], 1, 1)
    waiting = asyncio.ensure_future(log.fetch(Position(TOPIC, 0, 99), Limit(10, 1000), 20))
    await asyncio.sleep(0.1)
    await publish(log, TOPIC, record(b"two"))
    assert [found.value for found in (await waiting).records] == [b"two"]
