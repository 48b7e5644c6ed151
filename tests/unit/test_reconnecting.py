"""The broker that comes back, over one in memory that can be taken away."""

import asyncio
import time

import pytest
from support import publish, record, wrapped

from app.brokers.memory import MemoryBroker
from app.errors import NOT_WRITTEN, UNKNOWN, CircuitOpen, DeadlineExceeded, Disconnected, Overloaded
from app.record import Failed, Limit, Position, Written
from app.topic import TopicSpec

TOPIC = "unit.reconnecting"


class Away(MemoryBroker):
    """Records in memory, behind a line that can be cut. `calls` counts what reached it."""

    def __init__(self) -> None:
        super().__init__(clock=time.time, dedupe_window_secs=0, dedupe_max_ids=0)
        self.cut = False
        self.doubt = self.moved = False
        self.deaf = False
        self.mistakes = 0
        self.opened = 0
        self.calls = 0

    async def open(self) -> None:
        self._check()
        if self.mistakes:
            self.mistakes -= 1
            raise KeyError("a mistake of ours")
        self.opened += 1
        self.fault = None
        self.deaf = self.moved = False
        await super().open()

    async def ping(self) -> None:
        self._check()
        if self.moved:
            raise Disconnected("nobody there any more")

    async def publish(self, topic, records, deadline):
        self.calls += 1
        while self.deaf:
            if deadline.remaining() < 0.1:
                return [Failed(deadline.error(UNKNOWN))] * len(records)
            await asyncio.sleep(0.05)
        if self.doubt:
            return [Failed(Disconnected("no answer", outcome=UNKNOWN))] * len(records)
        if self.fault:
            return [Failed(Disconnected(self.fault))] * len(records)
        self._check()
        return await super().publish(topic, records, deadline)

    def _check(self) -> None:
        if self.cut:
            raise Disconnected("cut")


@pytest.fixture
async def away():
    return Away()


@pytest.fixture
async def log(away):
    broker = wrapped(away, longest_wait=0.3, most_waiting=3, failures=2)
    await broker.open()
    await broker.create(TopicSpec(TOPIC, 1))
    yield broker
    away.cut = False
    await broker.close()


async def values(log) -> list[bytes]:
    return [r.value for r in (await log.fetch(Position(TOPIC, 0, 0), Limit(100, 1 << 20))).records]


async def until(condition, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_what_waits_while_the_broker_is_away_is_written_once_it_is_back(away, log):
    away.cut = True
    sending = asyncio.ensure_future(publish(log, TOPIC, record(b"1"), seconds=10))
    await asyncio.sleep(0.3)
    assert not sending.done()
    away.cut = False
    [outcome] = await asyncio.wait_for(sending, 5)
    assert isinstance(outcome, Written)
    assert await values(log) == [b"1"]


async def test_what_waits_in_vain_is_not_written_then_or_later(away, log):
    away.cut = True
    [outcome] = await publish(log, TOPIC, record(b"late"), seconds=0.2)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert outcome.error.outcome == NOT_WRITTEN
    away.cut = False
    await asyncio.sleep(0.8)
    assert await values(log) == []


async def test_what_may_be_written_is_not_sent_again(away, log):
    away.doubt = True
    [outcome] = await publish(log, TOPIC, record(b"1"), seconds=1)
    assert outcome.error.outcome == UNKNOWN
    assert away.calls == 1


async def test_reads_are_refused_at_once_while_it_is_away(away, log):
    away.cut = True
    with pytest.raises(Disconnected):
        await log.ping()
    await until(lambda: log._session.state == "away")  # noqa: SLF001  # to know when to look
    with pytest.raises(Disconnected):
        await log.fetch(Position(TOPIC, 0, 0), Limit(1, 1), wait=30)
    away.cut = False
    await until(lambda: log._session.state == "ready")  # noqa: SLF001
    assert await values(log) == []


async def test_a_topic_that_was_seen_is_known_while_the_broker_is_away_and_another_is_waited_for(away, log):
    layout = await log.layout(TOPIC)
    await log.create(TopicSpec("unit.other", 2))
    away.cut = True
    with pytest.raises(Disconnected):
        await log.ping()
    await until(lambda: log._session.state == "away")  # noqa: SLF001
    assert await log.layout(TOPIC) == layout
    asking = asyncio.ensure_future(log.layout("unit.other"))
    await asyncio.sleep(0.2)
    assert not asking.done()
    away.cut = False
    assert (await asyncio.wait_for(asking, 5)).partitions == 2


async def test_a_broken_connection_is_made_anew_once_and_all_who_waited_get_through(away, log):
    away.fault = "poisoned"
    outcomes = await asyncio.gather(*(publish(log, TOPIC, record(b"%d" % n), seconds=5) for n in range(3)))
    assert all(isinstance(outcome, Written) for [outcome] in outcomes)
    assert away.opened == 2


async def test_sends_that_fail_for_want_of_a_broker_open_the_breaker_and_its_return_closes_it(away, log):
    away.cut = True
    for _ in range(2):
        [outcome] = await publish(log, TOPIC, record(), seconds=0.3)
        assert isinstance(outcome, Failed)
    with pytest.raises(CircuitOpen) as caught:
        await publish(log, TOPIC, record())
    assert caught.value.retry_after > 1
    away.cut = False
    await until(lambda: log._session.state == "ready")  # noqa: SLF001
    for _ in range(3):
        [outcome] = await publish(log, TOPIC, record())
        assert isinstance(outcome, Written)


async def test_a_deadline_that_the_client_shortened_says_nothing_about_the_broker(away, log):
    away.cut = True
    for _ in range(5):
        [outcome] = await publish(log, TOPIC, record(), seconds=0.1)
        assert isinstance(outcome.error, DeadlineExceeded)


async def test_no_more_wait_than_may(away, log):
    away.cut = True
    waiting = [asyncio.ensure_future(publish(log, TOPIC, record(), seconds=0.5)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await publish(log, TOPIC, record())
    await asyncio.gather(*waiting)


async def test_an_open_that_fails_can_be_tried_again(away):
    away.cut = True
    log = wrapped(away)
    with pytest.raises(Disconnected):
        await log.open()
    away.cut = False
    await log.open()
    await log.ping()
    await log.close()


async def test_a_connection_on_which_nothing_comes_through_though_the_broker_answers_is_made_anew(away):
    log = wrapped(away, patience={"overdue": 0.1, "stalled": 0.5})
    await log.open()
    await log.create(TopicSpec(TOPIC, 1))
    away.deaf = True
    [outcome] = await publish(log, TOPIC, record(), seconds=10)
    assert isinstance(outcome, Written)
    assert away.opened == 2
    await log.close()


async def test_brokers_that_moved_are_found_again_by_the_bootstrap_servers(away):
    log = wrapped(away, patience={"moved": 0.5})
    await log.open()
    await log.create(TopicSpec(TOPIC, 1))
    away.moved = True
    with pytest.raises(Disconnected):
        await log.ping()
    await until(lambda: away.opened == 2)
    [outcome] = await publish(log, TOPIC, record())
    assert isinstance(outcome, Written)
    await log.close()


async def test_after_the_last_attempt_there_is_a_rest_and_then_the_next_session(away):
    log = wrapped(away, patience={"most_attempts": 2, "rest": 0.2})
    await log.open()
    await log.create(TopicSpec(TOPIC, 1))
    away.fault, away.cut = "broken", True
    sending = asyncio.ensure_future(publish(log, TOPIC, record(), seconds=20))
    await asyncio.sleep(3)
    away.cut = False
    [outcome] = await asyncio.wait_for(sending, 10)
    assert isinstance(outcome, Written)
    await log.close()


async def test_a_mistake_while_connecting_does_not_end_the_attempts(away):
    log = wrapped(away)
    await log.open()
    await log.create(TopicSpec(TOPIC, 1))
    away.mistakes, away.fault = 2, "broken"
    [outcome] = await publish(log, TOPIC, record(), seconds=10)
    assert isinstance(outcome, Written)
    assert away.mistakes == 0
    await log.close()
