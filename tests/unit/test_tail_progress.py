"""What a tail writes down for its group: the latest, never backwards, and before others go on."""

import asyncio

import pytest

from app.errors import Conflict, Disconnected, ValidationFailed
from app.gateway.live.progress import Progress


class Group:
    """A membership that keeps what was committed; it can be slow, away, or refuse."""

    def __init__(self) -> None:
        self.commits: list[dict[int, int]] = []
        self.slow = 0.0
        self.errors: list[Exception] = []

    async def commit(self, offsets) -> None:
        await asyncio.sleep(self.slow)
        if self.errors:
            raise self.errors.pop(0)
        self.commits.append(dict(offsets))

    async def leave(self) -> None:
        raise AssertionError


@pytest.fixture
async def group():
    return Group()


@pytest.fixture
async def refused():
    return []


@pytest.fixture
async def progress(group, refused):
    made = Progress(lambda: refused.append(1))
    made.hold(group, {0: 5, 1: 0}, {})
    yield made
    await made.close()


async def test_only_the_latest_is_written_while_a_commit_is_under_way(progress, group):
    group.slow = 0.05
    for offset in range(6, 100):
        progress.done(0, offset)
        if offset == 6:
            await asyncio.sleep(0.01)
    await progress.let_go()
    assert group.commits == [{0: 6}, {0: 99}]


async def test_it_never_goes_back_and_nothing_is_written_twice(progress, group):
    for offset in (9, 7, 9, 5, 1):
        progress.done(0, offset)
        await asyncio.sleep(0)
    await progress.let_go()
    assert group.commits == [{0: 9}]


async def test_where_a_group_begins_is_written_down(progress, group):
    progress.hold(group, {2: 7, 3: 1}, {2: 7})
    await progress.let_go()
    assert group.commits == [{2: 7}]


async def test_what_was_given_up_counts_no_more(progress, group):
    await progress.let_go()
    progress.acknowledge(0, 50, None)
    progress.done(0, 6)
    await asyncio.sleep(0.01)
    assert group.commits == []


async def test_a_broker_that_is_away_is_asked_again_and_a_refusal_is_counted(progress, group, refused):
    group.errors = [Disconnected("away"), Conflict("another has it")]
    progress.done(0, 6)
    async with asyncio.timeout(10):
        while not refused:
            await asyncio.sleep(0.05)
    progress.done(0, 7)
    await progress.let_go()
    assert (group.commits, refused) == ([{0: 7}], [1])


@pytest.mark.parametrize(("partition", "offset", "told"), [(0, 9, 9), (0, 10, 9), (4, 0, None)])
async def test_what_was_not_told_is_not_acknowledged(progress, partition, offset, told):
    with pytest.raises(ValidationFailed, match="not told"):
        progress.acknowledge(partition, offset, told)
