"""Kafka's own consumer groups: which there are, who is in them, how far they have read."""

import asyncio
from collections.abc import Sequence
from typing import Any

from app.brokers.kafka.internals import DescribeGroupsRequest, member_assignment
from app.brokers.kafka.memory import Memory
from app.brokers.kafka.offsets import Offsets
from app.errors import Conflict
from app.group import GroupInfo, Member, find_group

AT_ONCE = 16
LIVE_KEPT = 1.0
"""Seconds for which a group is taken to have, or to have no, live members."""

DEAD = "Dead"


class Groups:
    """`BrokerAdmin.groups` and `BrokerAdmin.group` on a cluster."""

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._live = Memory(self._is_live, LIVE_KEPT)

    async def check_free(self, group: str) -> None:
        """As `Broker.check_free`."""
        if await self._live.get(group):
            raise Conflict(f"the consumer group '{group}' has live members, who commit for it")

    def clear(self) -> None:
        self._live.clear()

    async def all(self) -> list[GroupInfo]:
        """By name."""
        names = await self._offsets.groups()
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> GroupInfo | None:
            async with at_once:
                return await self._find(name)

        found = await asyncio.gather(*map(one, names))
        return [group for group in found if group is not None]

    async def one(self, name: str) -> GroupInfo:
        """Raises NotFound."""
        group = await self._find(name)
        return find_group(name, [group] if group else [])

    async def _is_live(self, name: str) -> bool:
        answer = await self._offsets.ask(name, DescribeGroupsRequest([name]), _codes)
        code, _, _, _, _, members, *_ = answer.groups[0]
        return not code and bool(members)

    async def _find(self, name: str) -> GroupInfo | None:
        answer = await self._offsets.ask(name, DescribeGroupsRequest([name]), _codes)
        code, _, state, protocol_type, _, members, *_ = answer.groups[0]
        committed = await self._offsets.committed_everywhere(name)
        living = () if code or protocol_type != "consumer" else members
        if not committed and not living:
            return None
        return GroupInfo(name, "Empty" if code or state == DEAD else state, tuple(map(_member, living)), committed)


def _codes(answer: Any) -> list[int]:
    return [group[0] for group in answer.groups]


def _member(found: Sequence[Any]) -> Member:
    member_id, client_id, host, _, assignment = found
    try:
        partitions = member_assignment(assignment)
    except Exception:  # noqa: BLE001 - a client may put anything there
        partitions = ()
    return Member(member_id, client_id, host.removeprefix("/"), partitions)
