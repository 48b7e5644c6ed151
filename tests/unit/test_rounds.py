"""What waits for the next round of the event loop is done there, all of it, in order."""

import asyncio

from app.api.rounds import NextRound


def each(do):
    def do_all(waiting):
        for thing in waiting:
            do(thing)

    return do_all


async def test_what_a_round_adds_is_done_in_the_next_one_in_order():
    done = []
    later = NextRound(each(done.append))
    for n in range(3):
        later.add(n)
    assert done == []
    await asyncio.sleep(0)
    assert done == [0, 1, 2]
    later.add(3)
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3]


async def test_what_is_added_meanwhile_is_done_as_well():
    done = []

    def do(n: int) -> None:
        done.append(n)
        if n:
            later.add(n - 1)

    later = NextRound(each(do))
    later.add(2)
    async with asyncio.timeout(5):
        while len(done) < 3:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [2, 1, 0]


async def test_one_that_fails_keeps_nothing_else_from_being_done():
    told, done = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(type(context["exception"])))

    def do(divisor: int) -> None:
        done.append(6 / divisor)

    later = NextRound(each(do))
    for divisor in (1, 0, 2):
        later.add(divisor)
    async with asyncio.timeout(5):
        while len(done) < 2:
            await asyncio.sleep(0)
    assert (told, done) == ([ZeroDivisionError], [6, 3])
