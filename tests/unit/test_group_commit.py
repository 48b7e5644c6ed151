"""Batches that requests share: what goes into which, who is told of their outcomes, and when. And whose these are."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from app.brokers.dedupe import DedupeWindow
from app.brokers.kafka.calls import Call, whole
from app.brokers.kafka.destinations import Destination
from app.brokers.kafka.group_commit import GroupCommit, Part
from app.brokers.kafka.repeats import TopicRepeats
from app.deadline import Deadlines
from app.errors import NOT_WRITTEN, UNKNOWN, Disconnected, MessageTooLarge
from app.record import BATCH_HEADER, Failed, NewRecord, Written
from app.topic import TopicConfigs

ROOM = 10_000
LONG = 60
ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01"


def record(event_id: str | None = None, size: int = 10) -> NewRecord:
    return NewRecord.of(0, b"x" * size, 1000, event_id=event_id)


def to(repeats: TopicRepeats | None = None, **configs: str) -> Destination:
    configs = TopicConfigs.read({name.replace("_", "."): value for name, value in configs.items()})
    return Destination({0}, configs, min(ROOM, configs.max_message_bytes - BATCH_HEADER), repeats)


def new_window() -> TopicRepeats:
    return TopicRepeats(DedupeWindow(1000, 10))


class Broker:
    """Takes batches one at a time, and answers them when it is told to; `delays` counts how often one took long."""

    def __init__(self) -> None:
        self.taken: list[list[bytes | None]] = []
        self.deliveries: list[asyncio.Future[SimpleNamespace]] = []
        self.failures: list[BaseException] = []
        self.delays = 0
        self.refusal: Exception | None = None
        self.queue = GroupCommit(self.take, partition=0, on_failure=self.failures.append, on_delay=self.look)

    async def take(self, records: list[NewRecord]) -> "asyncio.Future[SimpleNamespace]":
        if self.refusal:
            raise self.refusal
        self.taken.append([record.value for record in records])
        self.deliveries.append(asyncio.get_running_loop().create_future())
        return self.deliveries[-1]

    def look(self) -> "asyncio.Task[None]":
        self.delays += 1
        return asyncio.ensure_future(asyncio.sleep(0))

    def answer(self, offset: int) -> None:
        self.deliveries[-1].set_result(SimpleNamespace(offset=offset, timestamp=-1, timestamp_type=0))

    def put(self, *values: bytes, room: int = ROOM) -> Part:
        records = [NewRecord.of(0, value, 1000) for value in values]
        part = Part(records, sum(record.framed for record in records))
        self.queue.put(part, room)
        return part


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_on_its_way_shares_the_next_one():
    broker = Broker()
    first, second = broker.put(b"a"), broker.put(b"b")
    await turns()
    later, last = broker.put(b"c", b"d"), broker.put(b"e")
    await turns()
    assert broker.taken == [[b"a", b"b"]]
    broker.answer(5)
    await turns()
    assert first.outcomes == [Written(0, 5, 1000)]
    assert second.outcomes == [Written(0, 6, 1000)]
    assert broker.taken[1:] == [[b"c", b"d", b"e"]]
    broker.answer(7)
    await broker.queue.finished()
    assert [outcome.offset for part in (later, last) for outcome in part.outcomes] == [7, 8, 9]


async def test_no_batch_is_larger_than_its_topic_takes():
    broker = Broker()
    for value in (b"a", b"b", b"c"):
        broker.put(value * 100, room=2 * 150)
    await turns()
    assert [len(batch) for batch in broker.taken] == [2]


async def test_what_was_refused_together_goes_apart_and_tells_so():
    broker = Broker()
    parts = [broker.put(b"a"), broker.put(b"b")]
    await turns()
    refusal = MessageSizeTooLargeError()
    broker.deliveries[0].set_exception(refusal)
    again = [broker.put(b"a"), broker.put(b"b")]
    await turns()
    assert broker.failures == [refusal]
    assert {type(part.outcomes[0].error) for part in parts} == {Disconnected}
    assert broker.taken[1:] == [[b"a"]]
    broker.deliveries[1].set_exception(MessageSizeTooLargeError())
    await turns()
    assert isinstance(again[0].outcomes[0].error, MessageTooLarge)
    broker.answer(3)
    await broker.queue.finished()
    assert again[1].outcomes == [Written(0, 3, 1000)]


async def test_what_was_withdrawn_or_not_taken_is_not_written():
    broker = Broker()
    withdrawn = broker.put(b"a")
    deadline = Deadlines().start(LONG)
    waiting = withdrawn.answer_by(deadline)
    deadline.end_waits()
    broker.refusal = OSError()
    refused = broker.put(b"b")
    await turns()
    assert broker.taken == []
    assert {part.outcomes[0].error.outcome for part in (withdrawn, refused)} == {NOT_WRITTEN}
    assert (await waiting)[0].error.outcome == NOT_WRITTEN
    assert refused.handed is False


async def test_a_batch_that_takes_long_makes_its_topic_be_looked_at_and_an_idle_queue_nothing():
    broker = Broker()
    broker.put(b"a")
    async with asyncio.timeout(10):
        while broker.delays < 2:
            await asyncio.sleep(0.1)
    broker.answer(1)
    await broker.queue.finished()
    await asyncio.sleep(2.5)
    assert broker.delays == 2


async def test_who_waits_for_a_part_is_told_of_its_outcomes_whoever_else_stops_waiting():
    part, loop = whole([record(), record()], to()), asyncio.get_running_loop()
    answers = [part.answer_by(Deadlines().start(LONG)), part.answer(loop), part.answer(loop)]
    answers[1].cancel()
    outcomes = [Written(0, 5, 1000), Written(0, 6, 1000)]
    part.resolve(outcomes)
    assert await answers[0] == await answers[2] == await part.answer(loop) == outcomes


async def test_a_part_is_resolved_once():
    part = Part([record()], 50)
    part.resolve([Written(0, 1, 1000)])
    part.fail(Disconnected("too late"))
    assert part.outcomes == [Written(0, 1, 1000)]


@pytest.mark.parametrize(("handed", "outcome"), [(False, NOT_WRITTEN), (True, UNKNOWN)])
async def test_at_the_deadline_only_what_was_handed_over_may_be_written(handed, outcome):
    part = whole([record()], to())
    part.handed = handed
    others = part.answer(asyncio.get_running_loop())
    [failed] = await part.answer_by(Deadlines().start(0.02))
    assert failed.error.outcome == outcome
    assert part.withdrawn is others.done() is not handed


async def test_an_id_is_on_its_way_until_its_part_has_an_answer_and_then_stands_where_that_says():
    repeats = new_window()
    part = whole([record(ID)], to(repeats))
    assert repeats.find(ID, 1000) is part
    assert whole([record(ID)], to(repeats)) is None
    part.resolve([Written(0, 7, 1000)])
    assert repeats.find(ID, 1000) == Written(0, 7, 1000, duplicate=True)
    assert whole([record(ID)], to(repeats)) is None


async def test_an_id_that_was_not_written_is_new_again():
    repeats = new_window()
    part = whole([record(ID)], to(repeats))
    part.fail(Disconnected("not sent"))
    assert not repeats.knows_any([ID])
    assert repeats.find(ID, 1000) is None


async def test_only_a_call_of_which_nothing_is_left_out_and_that_one_batch_holds_goes_as_a_whole():
    assert whole([record(size=900)] * 20, to()) is None
    assert whole([record(ID), record(ID)], to(new_window())) is None
    assert whole([record(), record()], to(new_window())).size > 20
    assert whole([record()], to(cleanup_policy="compact")) is None
    records = [record(), record(size=2000), record(ID), record(ID)]
    sending = Call("t", records, Deadlines().start(LONG), to(new_window(), max_message_bytes="1000"))
    assert sending.places() == [0, 2]
    assert isinstance(sending.outcomes[1], Failed)
