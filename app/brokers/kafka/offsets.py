"""How far groups have read, in Kafka's own consumer groups, so that Kafka's tools see it.

Commits are those of a consumer without membership (generation −1, no member id), allowed while a group has no live
members: https://kafka.apache.org/protocol#The_Messages_OffsetCommit.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.errors import COORDINATOR_MOVED, of_code
from app.brokers.kafka.internals import (
    FindCoordinatorRequest,
    ListGroupsRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    Request,
)
from app.brokers.kafka.protocol import OffsetDeleteRequest
from app.errors import Disconnected, PollFailed, SluiceError

GROUP = 0
UNKNOWN_GROUP = 69
PATIENCE = 5.0
"""Seconds in which a group may find its coordinator: a new cluster makes its first one when first asked."""

PAUSE = 0.05
MOST_KNOWN = 10_000
LANE = "offsets"
AT_ONCE = 16


class Offsets:
    """Committed offsets."""

    def __init__(self, connection: Connection, directory: Directory) -> None:
        self._connection = connection
        self._directory = directory
        self._coordinators: dict[str, int] = {}

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """As `Broker.committed`."""
        return await self._fetch(group, topic, list(await self._directory.partitions(topic)))

    async def committed_everywhere(self, group: str) -> dict[tuple[str, int], int]:
        """The group's next offsets on all topics."""
        answer = await self.ask(group, OffsetFetchRequest(group, None), lambda answer: [answer.error_code])
        if answer.error_code:
            raise _refusal(answer.error_code, "")
        return {
            (topic, number): offset
            for topic, partitions in answer.topics
            for number, offset, _, code in partitions
            if not code and offset >= 0
        }

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """As `Broker.commit`. Raises Conflict while the group has live members."""
        for partition in offsets:
            await self._directory.partition(topic, partition)
        wanted = [(partition, offset, "") for partition, offset in offsets.items()]
        request = OffsetCommitRequest(group, -1, "", -1, [(topic, wanted)])
        answer = await self.ask(group, request, lambda answer: [code for _, code in answer.topics[0][1]])
        for _, code in answer.topics[0][1]:
            if code:
                raise _refusal(code, topic)

    async def forget(self, group: str, topic: str) -> None:
        """As `Broker.forget`."""
        partitions = list(await self._directory.partitions(topic))
        answer = await self.ask(
            group, OffsetDeleteRequest(group, topic, partitions), lambda answer: [answer.error_code]
        )
        codes = [answer.error_code, *(code for _, parts in answer.topics for _, code in parts)]
        for code in codes:
            if code not in (0, UNKNOWN_GROUP):
                raise _refusal(code, topic)

    async def groups_on(self, topic: str, partitions: list[int]) -> list[str]:
        """Every group that has committed an offset in these partitions."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def has(group: str) -> bool:
            async with at_once:
                return bool(await self._fetch(group, topic, partitions))

        groups = await self.groups()
        return [group for group, found in zip(groups, await asyncio.gather(*map(has, groups)), strict=True) if found]

    async def gone(self, groups: list[str], topic: str, partitions: list[int]) -> None:
        """Return when none of the groups has an offset there: Kafka drops those of a deleted topic a little later."""
        until = asyncio.get_running_loop().time() + 2 * PATIENCE
        while groups:
            groups = [group for group in groups if await self._fetch(group, topic, partitions)]
            if groups:
                if asyncio.get_running_loop().time() >= until:
                    raise Disconnected(f"topic '{topic}' is deleted, but offsets committed on it are still there")
                await asyncio.sleep(PAUSE)

    async def groups(self) -> list[str]:
        """Every group, by name, those without offsets included."""
        found: set[str] = set()
        for node in self._connection.nodes:
            answer = await self._connection.send(node, ListGroupsRequest(), lane=LANE)
            if answer.error_code not in (0, *COORDINATOR_MOVED):
                raise of_code(answer.error_code, "listing consumer groups")
            for group, *_ in answer.groups:
                self._coordinators[group] = node  # a broker lists the groups that it coordinates
                found.add(group)
        return sorted(found)

    async def _fetch(self, group: str, topic: str, partitions: list[int]) -> dict[int, int]:
        request = OffsetFetchRequest(group, [(topic, partitions)])
        answer = await self.ask(group, request, lambda answer: [answer.error_code])
        if answer.error_code:
            raise _refusal(answer.error_code, topic)
        found = {}
        for number, offset, _, code in answer.topics[0][1] if answer.topics else ():
            if code not in (0, 3):
                raise _refusal(code, topic)
            if not code and offset >= 0:
                found[number] = offset
        return found

    async def ask(self, group: str, request: Request, codes: Callable[[Any], list[int]]) -> Any:
        """The answer of the group's coordinator, wherever it moved."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                node = await self._coordinator(group)
                answer = await self._connection.send(node, request, lane=LANE, otherwise=PollFailed)
                if not COORDINATOR_MOVED.intersection(codes(answer)):
                    return answer
                failure = Disconnected("the coordinator of the consumer group is moving")
            except Disconnected as error:
                failure = error
            self._coordinators.pop(group, None)
            if asyncio.get_running_loop().time() >= until:
                raise failure
            await asyncio.sleep(PAUSE)

    async def _coordinator(self, group: str) -> int:
        if group not in self._coordinators:
            answer = await self._connection.send_to_any(FindCoordinatorRequest(group, GROUP))
            if answer.error_code:
                raise of_code(answer.error_code, "looking for the group's coordinator", otherwise=PollFailed)
            if len(self._coordinators) >= MOST_KNOWN:
                self._coordinators.clear()
            self._coordinators[group] = answer.coordinator_id
        return self._coordinators[group]


def _refusal(code: int, topic: str) -> SluiceError:
    return of_code(code, "the consumer group", topic=topic, otherwise=PollFailed)
