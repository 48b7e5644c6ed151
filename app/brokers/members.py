"""Live members of consumer groups on a log of our own: they share each topic's partitions, as on Kafka.

A rebalance is eager, as aiokafka's: all give up what they have, and only when all have does each get its new share.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress

from app.broker import Membership, Sharer
from app.errors import Conflict, SluiceError
from app.group import GroupInfo, Member

PATIENCE = 10.0
"""Seconds that a member has to give up what it had, or to take what it gets."""

Commit = Callable[[str, str, Mapping[int, int]], Awaitable[None]]
Count = Callable[[str], int]


class _Member:
    def __init__(self, shares: "_Shares", sharer: Sharer, member_id: str) -> None:
        self._shares = shares
        self.sharer = sharer
        self.id = member_id
        self.partitions: tuple[int, ...] = ()

    async def commit(self, offsets: Mapping[int, int]) -> None:
        mine = {partition: offset for partition, offset in offsets.items() if partition in self.partitions}
        if len(mine) < len(offsets):
            raise Conflict("another member reads these partitions now")
        await self._shares.commit(mine)

    async def leave(self) -> None:
        await self._shares.leave(self)


class _Shares:
    """Who reads one topic in one group."""

    def __init__(
        self, group: str, topic: str, commit: Commit, count: Count, nobody_left: Callable[["_Shares"], None]
    ) -> None:
        self._nobody_left = nobody_left
        self.group = group
        self.topic = topic
        self._commit = commit
        self._count = count
        self._turn = asyncio.Lock()
        self._asked = 0
        self._shared = 0
        self._leaving: list[_Member] = []
        self.members: list[_Member] = []

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self._commit(self.group, self.topic, offsets)

    async def leave(self, member: _Member) -> None:
        if member in self.members:
            self.members.remove(member)
            self._leaving.append(member)
            await self.share_again()
        if not self.members:
            self._nobody_left(self)

    async def share_again(self) -> None:
        """Among those who are there now. Many who come at once are shared with once."""
        self._asked += 1
        asked = self._asked
        async with self._turn:
            if self._shared < asked:
                self._shared = self._asked
                await self._share()

    async def _share(self) -> None:
        leaving, self._leaving = self._leaving, []
        await asyncio.gather(*(answered(member.sharer.give_up()) for member in (*self.members, *leaving)))
        for member in leaving:
            member.partitions = ()
        with suppress(SluiceError):  # the topic is gone, as they hear from their feeds
            count, readers = self._count(self.topic), len(self.members)
            for place, member in enumerate(self.members):
                member.partitions = tuple(range(place, count, readers))
            await asyncio.gather(*(answered(member.sharer.take(member.partitions, member)) for member in self.members))


async def answered(answer: Awaitable[None]) -> None:
    """What a sharer was asked for, or `PATIENCE` has passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await answer


class Members:
    """All live members on one log. `commit` writes offsets down, `count` tells how many partitions a topic has."""

    def __init__(self, commit: Commit, count: Count) -> None:
        self._commit = commit
        self._count = count
        self._numbers = itertools.count(1)
        self._shares: dict[tuple[str, str], _Shares] = {}

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        """As `Broker.join`."""
        key = (group, topic)
        shares = self._shares.get(key)
        if shares is None:
            shares = self._shares[key] = _Shares(group, topic, self._commit, self._count, self._forget)
        member = _Member(shares, sharer, f"sluice-{next(self._numbers)}")
        shares.members.append(member)  # at once, for who leaves last takes `shares` along
        try:
            await shares.share_again()
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(member.leave()))
            raise
        return member

    async def changed(self, topic: str) -> None:
        """The topic has another number of partitions."""
        for shares in [found for found in self._shares.values() if found.topic == topic]:
            await shares.share_again()

    def check_free(self, group: str) -> None:
        """Raises Conflict while the group has live members."""
        if any(self._living(group)):
            raise Conflict(f"the consumer group '{group}' has live members, who commit for it")

    def groups(self, committed: list[GroupInfo]) -> list[GroupInfo]:
        """These groups with their live members, and those that have only these, by name."""
        found = {info.name: info for info in committed}
        for name in {shares.group for shares in self._shares.values() if shares.members}:
            info = found.get(name) or GroupInfo(name, "Empty", (), {})
            members = tuple(
                Member(member.id, "sluice", "localhost", tuple((shares.topic, number) for number in member.partitions))
                for shares, member in self._living(name)
            )
            found[name] = info._replace(state="Stable", members=members)
        return [found[name] for name in sorted(found)]

    def _forget(self, shares: _Shares) -> None:
        key = (shares.group, shares.topic)
        if self._shares.get(key) is shares:
            del self._shares[key]

    def _living(self, group: str) -> Iterator[tuple[_Shares, _Member]]:
        for (name, _), shares in self._shares.items():
            if name == group:
                for member in shares.members:
                    yield shares, member
