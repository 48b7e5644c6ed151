"""Records by offset, by raw fetch requests: half a millisecond, where seeking a consumer takes half a second.

https://kafka.apache.org/protocol#The_Messages_Fetch. Only what stands below the last stable offset is ever answered.
"""

import asyncio
from collections.abc import Mapping

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import Directory, Leaders
from app.brokers.kafka.errors import MOVED, of_code
from app.brokers.kafka.gathering import Gathering
from app.brokers.kafka.history import History
from app.brokers.kafka.internals import READ_COMMITTED, FetchRequest, OffsetRequest
from app.brokers.kafka.lanes import WaitingLanes
from app.brokers.kafka.stretch import KeptPage, Piece, Stretch, unpack
from app.brokers.kafka.tails import Tails
from app.errors import Disconnected, PollFailed, SluiceError
from app.record import Fetched, Limit, Position, Show

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

NOTHING = Limit(0, 0)
"""For who asks only where the log begins and ends; a broker still answers with a record batch, if there is one."""

LANE = "read"


class Reading:
    """Fetches. Many may run at once; those that wait take a lane of their own, so that they hold up nobody."""

    def __init__(self, connection: Connection, directory: Directory, *, lanes: int = 8) -> None:
        self._connection = connection
        self._directory = directory
        self._waiting = WaitingLanes(connection, lanes)
        self.tails = Tails(self._piece)
        self.history = History()

    async def fetch(self, at: Position, limit: Limit, wait: float, show: Show | None = None) -> Fetched:
        """As `Broker.fetch`. Who waits, waits at the partition's tail."""
        await self._directory.partition(at.topic, at.partition)
        at = at._replace(offset=max(at.offset, 0))
        until = asyncio.get_running_loop().time() + wait
        while True:
            left = until - asyncio.get_running_loop().time()
            tail = self.tails.at(at) if wait else None
            if tail is None:
                found = await self._now(at, limit, show)
                if found.records or left <= 0:
                    return found
                at = at._replace(offset=found.next_offset)
                tail = self.tails.at(at) or self.tails.start(at)
            waited = await tail.fetch(at.offset, limit, left)
            if waited is not None and (waited.records or asyncio.get_running_loop().time() >= until):
                return waited.shown_by(show)

    async def close(self) -> None:
        """End all waits, and forget what was read."""
        await self.tails.close()
        self.history.clear()

    async def _now(self, at: Position, limit: Limit, show: Show | None) -> Fetched:
        """What is there, filled to the limit: by as many requests as it takes, and by what was read lately."""
        while True:
            kept = self.history.page(at, limit)
            found = await (self._gathered(at, limit, show) if kept is None else self._once_more(at, kept, show))
            if found is not None:
                return found
            self.history.forget(at.topic, at.partition)

    async def _once_more(self, at: Position, page: KeptPage, show: Show | None) -> Fetched | None:
        """What another reader got. None: it may be not what is there now."""
        ends = await self._ends_now(at, page.last, page.next_offset)
        if ends is None:
            return None
        if show is not None:
            page.show(show)
        return Fetched(page, page.next_offset, ends.high_watermark, ends.log_start, page)

    async def _gathered(self, at: Position, limit: Limit, show: Show | None) -> Fetched | None:
        """None: what is kept of this partition may be not what is there now."""
        page = Gathering(self.history, at, limit, show)
        while not page.done:
            if not page.read_kept():
                piece, asked = await self._piece(page.at, limit, 0)
                if not page.read_answer(asked, piece):
                    return None
        if page.knows_ends:
            return page.fetched()
        ends = await self._ends_now(page.first, page.last, page.at.offset)
        return page.fetched(ends) if ends else None

    async def _ends_now(self, first: Position, last: Stretch, next_offset: int) -> Piece | None:
        """Where the log begins and ends now, of which all from `first` to `next_offset` was kept.

        None: this is not there any more.
        """
        at = first._replace(offset=max(last.end, next_offset))
        piece, asked = await self._piece(at, NOTHING, 0)
        if asked != at or piece.log_start > first.offset or last not in self.history:  # the leader may have moved
            return None
        last.end = piece.high_watermark
        return piece

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
                self.history.forget(at.topic)
                raise _refusal(code, at)
            else:
                self.history.forget(at.topic, at.partition)
                self._directory.moved(at.topic)
                await asyncio.sleep(PAUSE)

    async def _ask(self, leader: int, at: Position, limit: Limit, wait: float) -> tuple[int, Piece | None]:
        most = min(limit.max_bytes, limit.count * RECORD_BYTES, MOST_BYTES) + SLACK if limit.count else 1
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
        last = (await self.ends(at.topic, LATEST)).get(at.partition, 0)
        if at.offset >= last:
            return last
        return max(at.offset, (await self.ends(at.topic, EARLIEST)).get(at.partition, 0))


def _refusal(code: int, at: Position) -> SluiceError:
    return of_code(code, "fetching", topic=at.topic, otherwise=PollFailed)
