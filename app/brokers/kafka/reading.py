"""Records by offset, by raw fetch requests: half a millisecond, where seeking a consumer takes half a second.

https://kafka.apache.org/protocol#The_Messages_Fetch. Only what stands below the last stable offset is ever answered.
"""

import asyncio
from collections.abc import Mapping

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import Directory, Leaders
from app.brokers.kafka.errors import MOVED, of_code
from app.brokers.kafka.internals import READ_COMMITTED, FetchRequest, OffsetRequest
from app.brokers.kafka.lanes import WaitingLanes
from app.brokers.kafka.pages import Page, Piece, unpack
from app.brokers.kafka.tails import Tails
from app.errors import Disconnected, PollFailed, SluiceError
from app.record import Fetched, Limit, Position

OUT_OF_RANGE, NO_LEADER = 1, 5
EARLIEST, LATEST = -2, -1
WITHOUT_LANE = 0.1
PATIENCE = 3.0
"""Seconds in which a partition without leader may find one."""

PAUSE = 0.05
MOST_BYTES = 52_428_800
SLACK = 65_536
RECORD_BYTES = 512
"""Asked for at first, by record: enough for most pages, and not ten times as much. Larger records take a few requests
more."""

LANE = "read"


class Reading:
    """Fetches. Many may run at once; those that wait take a lane of their own, so that they hold up nobody."""

    def __init__(self, connection: Connection, directory: Directory, *, lanes: int = 8) -> None:
        self._connection = connection
        self._directory = directory
        self._waiting = WaitingLanes(connection, lanes)
        self.tails = Tails(self._piece)

    async def fetch(self, at: Position, limit: Limit, wait: float) -> Fetched:
        """As `Broker.fetch`. Who waits, waits at the partition's tail."""
        await self._directory.partition(at.topic, at.partition)
        at = at._replace(offset=max(at.offset, 0))
        until = asyncio.get_running_loop().time() + wait
        while True:
            left = until - asyncio.get_running_loop().time()
            tail = self.tails.at(at) if wait else None
            if tail is None:
                found = await self._now(at, limit)
                if found.records or left <= 0:
                    return found
                at = at._replace(offset=found.next_offset)
                tail = self.tails.at(at) or self.tails.start(at)
            waited = await tail.fetch(at.offset, limit, left)
            if waited is not None and (waited.records or asyncio.get_running_loop().time() >= until):
                return waited

    async def close(self) -> None:
        """End all waits."""
        await self.tails.close()

    async def _now(self, at: Position, limit: Limit) -> Fetched:
        """What is there, filled to the limit by as many requests as it takes."""
        page = Page(limit)
        while True:
            piece, asked = await self._piece(at, limit, 0)
            next_offset = page.add(asked, piece)
            dry = next_offset in (asked.offset, piece.high_watermark)  # also where a throttled broker answers nothing
            if page.full or dry:
                return Fetched(page.records, next_offset, piece.high_watermark, piece.log_start)
            at = asked._replace(offset=next_offset)

    async def ends(self, topic: str, when: int) -> dict[int, int]:
        """First offsets (`EARLIEST`), or last stable offsets (`LATEST`), of all partitions that have a leader."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            try:
                return await self.ends_once(topic, await self._directory.partitions(topic), when)
            except Disconnected:
                if loop.time() >= until:
                    raise
            self._directory.moved(topic)
            await asyncio.sleep(PAUSE)

    async def ends_once(self, topic: str, partitions: Mapping[int, Leaders], when: int) -> dict[int, int]:
        """The same, for leaders as told. Raises Disconnected when one has moved."""
        by_leader: dict[int, list[int]] = {}
        for number, known in partitions.items():
            if known.leader >= 0:
                by_leader.setdefault(known.leader, []).append(number)
        answers = await asyncio.gather(*(self._ends(leader, topic, part, when) for leader, part in by_leader.items()))
        return {number: offset for answer in answers for number, offset in answer.items()}

    async def _ends(self, leader: int, topic: str, partitions: list[int], when: int) -> dict[int, int]:
        request = OffsetRequest(-1, READ_COMMITTED, [(topic, [(number, when) for number in partitions])])
        answer = await self._connection.send(leader, request, lane=LANE)
        found = {}
        for number, code, _, offset in answer.topics[0][1]:
            if code in MOVED:
                raise Disconnected(f"partition {number} of topic '{topic}' has no leader that serves it")
            if code:
                raise of_code(code, "asking for offsets", topic=topic)
            found[number] = offset
        return found

    async def _piece(self, at: Position, limit: Limit, wait: float) -> tuple[Piece, Position]:
        """One answer for this position, and the position clamped. Follows a leader that moves."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            leader = (await self._directory.partition(at.topic, at.partition)).leader
            try:
                code, piece = await self._ask(leader, at, limit, wait) if leader >= 0 else (NO_LEADER, None)
            except Disconnected:  # if it moved, the others know by now; if all are away, they are asked next
                if loop.time() >= until:
                    raise
                code, piece = NO_LEADER, None
            if piece is not None:
                return piece, at._replace(offset=max(min(at.offset, piece.high_watermark), piece.log_start))
            if code == OUT_OF_RANGE:
                at = at._replace(offset=await self._nearest(at))
            elif code not in MOVED or loop.time() >= until:
                raise _refusal(code, at)
            else:
                self._directory.moved(at.topic)
                await asyncio.sleep(PAUSE)

    async def _ask(self, leader: int, at: Position, limit: Limit, wait: float) -> tuple[int, Piece | None]:
        most = min(limit.max_bytes, limit.count * RECORD_BYTES, MOST_BYTES) + SLACK
        lane = wait > 0 and self._waiting.free(leader)
        request = FetchRequest(
            max_wait_time=int(wait * 1000) if lane else 0,
            min_bytes=1,
            max_bytes=most,
            isolation_level=READ_COMMITTED,
            topics=[(at.topic, [(at.partition, at.offset, most)])],
        )
        if lane:
            answer = await self._waiting.send(leader, request)
        else:
            await asyncio.sleep(min(wait, WITHOUT_LANE))
            answer = await self._connection.send(leader, request, lane=LANE, otherwise=PollFailed)
        return unpack(answer)

    async def _nearest(self, at: Position) -> int:
        """The offset clamped to what the partition holds now."""
        first = await self.ends(at.topic, EARLIEST)
        last = await self.ends(at.topic, LATEST)
        return max(min(at.offset, last.get(at.partition, 0)), first.get(at.partition, 0))


def _refusal(code: int, at: Position) -> SluiceError:
    return of_code(code, "fetching", topic=at.topic, otherwise=PollFailed)
