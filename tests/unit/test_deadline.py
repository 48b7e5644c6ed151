"""Deadlines: what waits for them ends with them, or when the gateway stops, and not before."""

import asyncio
import sys

import pytest

from app.deadline import STEP, Deadlines
from app.errors import DeadlineExceeded, ShuttingDown

LONG = 3600


def pending() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def test_a_wait_ends_with_what_it_waits_for_or_with_the_deadline():
    deadlines = Deadlines()
    short, long = deadlines.start(0.05), deadlines.start(LONG)
    soon = pending()
    asyncio.get_running_loop().call_soon(soon.set_result, None)
    assert await long.wait(soon) is True
    started = asyncio.get_running_loop().time()
    assert await short.wait(pending()) is False
    assert asyncio.get_running_loop().time() - started >= 0.05 - 0.001  # uvloop counts in milliseconds
    assert isinstance(short.error(), DeadlineExceeded)
    assert await short.wait(pending()) is False


async def test_deadlines_of_one_step_end_together_but_for_those_that_are_answered():
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    at = (int(loop.time() / STEP) + 2.5) * STEP
    waiting = [deadlines.start(at - loop.time()) for _ in range(3)]
    ends = [asyncio.ensure_future(deadline.wait(pending())) for deadline in waiting]
    await asyncio.sleep(0)
    deadlines.end(waiting[0])
    assert await ends[1] is await ends[2] is False
    assert not ends[0].done()
    waiting[0].bring_forward()
    assert await ends[0] is False


async def test_a_step_whose_deadlines_are_all_answered_keeps_no_memory_until_it_comes():
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    at = (int(loop.time() / STEP) + LONG / STEP + 0.5) * STEP
    started = [deadlines.start(at - loop.time()) for _ in range(1000)]
    due = started[0].due
    assert len(due) == len(deadlines) == 1000
    for deadline in started:
        deadlines.end(deadline)
    assert not len(deadlines)
    assert sys.getsizeof(due) == sys.getsizeof(set())


async def test_who_asks_is_told_of_the_end_once_and_at_once_if_it_has_come():
    deadlines, told = Deadlines(), []
    deadline, answered = deadlines.start(0.02), deadlines.start(0.02)
    deadline.when_over(told.append)
    answered.when_over(told.append)
    deadlines.end(answered)
    assert await deadline.wait(pending()) is False
    assert told == [deadline]
    deadline.when_over(told.append)
    assert told == [deadline] * 2


async def test_many_may_wait_for_one_deadline_and_who_is_cancelled_is_forgotten():
    deadline = Deadlines().start(LONG)
    never = pending()
    waits = [asyncio.ensure_future(deadline.wait(never)) for _ in range(3)]
    await asyncio.sleep(0)
    waits[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits[0]
    never.set_result(None)
    assert await waits[1] is await waits[2] is True


async def test_a_stop_ends_all_that_waits_and_says_so():
    deadlines = Deadlines()
    waiting, running = deadlines.start(LONG), deadlines.start(LONG)
    wait = asyncio.ensure_future(waiting.wait(pending()))
    run = asyncio.ensure_future(running.run(asyncio.sleep(LONG)))
    await asyncio.sleep(0)
    assert deadlines.bring_all_forward() == len(deadlines) == 2
    assert await wait is False
    assert waiting.remaining() == 0
    with pytest.raises(ShuttingDown):
        await run
    none_left = asyncio.ensure_future(deadlines.wait_for_none(LONG))
    await asyncio.sleep(0)
    deadlines.end(waiting)
    deadlines.end(running)
    await none_left
    assert not len(deadlines)


async def test_work_that_takes_too_long_is_cancelled():
    deadlines = Deadlines()
    with pytest.raises(DeadlineExceeded):
        await deadlines.start(0.01).run(asyncio.sleep(LONG))
    with pytest.raises(TimeoutError):  # its own, not the deadline's
        await deadlines.start(LONG).run(_times_out())


async def _times_out() -> None:
    raise TimeoutError
