"""How far an index in a database is: asked for when it has to be, by one for all who wait."""

import asyncio

from app.read_models.progress import InDatabase, Progress

PLACE = ("s.t", 0)


class Positions:
    """A database whose index is at `offset`."""

    def __init__(self):
        self.offset = 0
        self.asked = 0

    async def read(self):
        self.asked += 1
        offset = self.offset
        await asyncio.sleep(0.01)
        return {PLACE: Progress(offset, 1)}


async def test_it_waits_until_the_marks_are_passed():
    positions = Positions()
    waiting = asyncio.create_task(InDatabase(positions.read).caught_up({PLACE: 5}, 60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    positions.offset = 5
    assert await waiting == 0


async def test_after_the_wait_it_tells_what_is_missing():
    positions = Positions()
    positions.offset = 3
    assert await InDatabase(positions.read).caught_up({PLACE: 5, ("s.t", 1): 4}, 0.05) == 6
    assert await InDatabase(positions.read).caught_up({PLACE: 5}, 0) == 2


async def test_what_is_known_is_not_asked_for_again_and_what_is_new_is():
    positions = Positions()
    positions.offset = 5
    progress = InDatabase(positions.read)
    assert await progress.caught_up({PLACE: 5}, 0) == 0
    assert await progress.caught_up({PLACE: 4}, 0) == 0
    assert positions.asked == 1
    positions.offset = 6
    assert await progress.caught_up({PLACE: 6}, 0) == 0
    assert positions.asked == 2


async def test_all_who_come_while_one_asks_share_the_next_asking():
    positions = Positions()
    positions.offset = 9
    progress = InDatabase(positions.read)
    assert await asyncio.gather(*(progress.caught_up({PLACE: 9}, 0) for _ in range(50))) == [0] * 50
    assert positions.asked <= 2
