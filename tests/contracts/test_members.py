"""Live members of a group share a topic's partitions, and commit for it alone."""

import asyncio

import pytest
from support import fresh_topic

from app.errors import Conflict, NotFound
from app.topic import TopicSpec


class Reader:
    """Keeps its share, and what was asked of it."""

    def __init__(self) -> None:
        self.share: tuple[int, ...] = ()
        self.membership = None
        self.errors: list[Exception] = []

    async def give_up(self) -> None:
        self.share = ()

    async def take(self, partitions, membership) -> None:
        self.share, self.membership = tuple(partitions), membership

    def lost(self, error: Exception) -> None:
        self.errors.append(error)


async def settled(*readers: Reader, partitions: int) -> None:
    async with asyncio.timeout(40):
        while sorted(p for reader in readers for p in reader.share) != list(range(partitions)):
            await asyncio.sleep(0.02)


async def test_members_share_all_partitions_and_those_who_stay_take_over(log):
    topic = fresh_topic()
    await log.create(TopicSpec(topic, 4, {}))
    group = f"g-{topic}"
    first, second = Reader(), Reader()
    one = await log.join(group, topic, first)
    assert sorted(first.share) == [0, 1, 2, 3]
    other = await log.join(group, topic, second)
    async with asyncio.timeout(40):
        while (len(first.share), len(second.share)) != (2, 2):
            await asyncio.sleep(0.02)
    await settled(first, second, partitions=4)
    await one.leave()
    await settled(second, partitions=4)
    assert first.share == ()
    await other.leave()
    await log.check_free(group)
    assert not first.errors + second.errors


async def test_only_members_commit_while_there_are_any(log):
    topic = fresh_topic()
    await log.create(TopicSpec(topic, 2, {}))
    group = f"g-{topic}"
    reader = Reader()
    membership = await log.join(group, topic, reader)
    await membership.commit({0: 7})
    assert await log.committed(group, topic) == {0: 7}
    for refused in (log.commit(group, topic, {0: 1}), log.check_free(group), log.forget(group, topic)):
        with pytest.raises(Conflict):
            await refused
    info = await log.group(group)
    assert info.state == "Stable"
    assert [member.partitions for member in info.members] == [((topic, 0), (topic, 1))]
    await membership.leave()
    with pytest.raises(Conflict):
        await membership.commit({0: 9})
    async with asyncio.timeout(20):
        while (await log.group(group)).members:
            await asyncio.sleep(0.05)
    await log.commit(group, topic, {0: 8})
    assert await log.committed(group, topic) == {0: 8}


async def test_an_unknown_topic_has_no_members(log):
    with pytest.raises(NotFound):
        await log.join("g", fresh_topic(), Reader())


async def test_many_who_come_and_go_at_once_share_all_the_same(log):
    topic = fresh_topic()
    await log.create(TopicSpec(topic, 3, {}))
    readers = [Reader() for _ in range(8)]
    memberships = await asyncio.gather(*(log.join(f"g-{topic}", topic, reader) for reader in readers))
    await settled(*readers, partitions=3)
    await asyncio.gather(*(membership.leave() for membership in memberships[1:]))
    await settled(readers[0], partitions=3)
    assert readers[0].share == (0, 1, 2)
    await memberships[0].leave()
    await log.check_free(f"g-{topic}")
