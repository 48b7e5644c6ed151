"""Parts of a batch: who is told of their outcomes, and when. And whose these are."""

import asyncio

import pytest

from app.brokers.dedupe import DedupeWindow
from app.brokers.kafka.calls import Call, outcomes_of, whole
from app.brokers.kafka.destinations import Destination
from app.brokers.kafka.group_commit import Part
from app.brokers.kafka.repeats import TopicRepeats
from app.deadline import Deadline
from app.errors import NOT_WRITTEN, UNKNOWN, Disconnected
from app.record import Failed, NewRecord, Written
from app.topic import TopicConfigs

MOST_BYTES = 10_000
ID = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01"


def record(event_id: str | None = None, size: int = 10) -> NewRecord:
    return NewRecord.of(0, b"x" * size, 1000, event_id=event_id)


def to(repeats: TopicRepeats | None = None, **configs: str) -> Destination:
    configs = TopicConfigs.read({name.replace("_", "."): value for name, value in configs.items()})
    return Destination({0}, configs, min(MOST_BYTES, configs.max_message_bytes), repeats, 0.0, 0)


def new_window() -> TopicRepeats:
    return TopicRepeats(DedupeWindow(1000, 10))


async def test_who_waits_for_a_part_is_woken_by_its_outcomes_and_may_change_its_own_list_of_them():
    part = whole([record(), record()], to())
    waiting = [asyncio.ensure_future(outcomes_of(part, Deadline(60))) for _ in range(2)]
    await asyncio.sleep(0)
    part.resolve([Written(0, 5, 1000), Written(0, 6, 1000)])
    mine, others = await asyncio.gather(*waiting)
    mine[0] = Failed(Disconnected("changed"))
    assert others == part.result() == [Written(0, 5, 1000), Written(0, 6, 1000)]


async def test_a_part_is_resolved_once():
    part = Part([record()], 50)
    part.resolve([Written(0, 1, 1000)])
    part.fail(Disconnected("too late"))
    assert part.result() == [Written(0, 1, 1000)]


@pytest.mark.parametrize(("handed", "outcome"), [(False, NOT_WRITTEN), (True, UNKNOWN)])
async def test_at_the_deadline_only_what_was_handed_over_may_be_written(handed, outcome):
    part = whole([record()], to())
    part.handed = handed
    [failed] = await outcomes_of(part, Deadline(0.02))
    assert failed.error.outcome == outcome
    assert part.withdrawn is part.done() is not handed


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
    sending = Call("t", records, Deadline(60), to(new_window(), max_message_bytes="1000"))
    assert sending.places() == [0, 2]
    assert isinstance(sending.outcomes[1], Failed)
