"""Waiting for a partition's next records: one fetch loop a partition, however many wait for it.

What the loop found last is kept, a little of it, so that a thousand who wait for the same records cost one fetch; what
clients see of these is made once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from app.brokers.kafka.pages import Page
from app.brokers.kafka.stretch import Piece, Stretch
from app.record import Fetched, Limit, Position, Record, Shared

SLICE = 0.5
"""Seconds that one request waits at the broker; so long may a deletion go unnoticed, and so long a loop outlives its
last waiter."""

KEPT_BYTES = 1 << 20
STEP = Limit(1000, KEPT_BYTES)
PAGES = 8

Look = Callable[[Position, Limit, float], Awaitable[tuple[Piece, Position]]]
"""One fetch that may wait so many seconds at the broker."""


class Tail:
    """The end of one partition, followed from an offset on for as long as anybody waits."""

    def __init__(self, start: Position, look: Look, ended: Callable[[], None]) -> None:
        self._look = look
        self._ended = ended
        self._at = start
        self._first = start.offset
        self._kept: deque[Record] = deque()
        self._size = 0
        self._pages: dict[tuple[int, Limit], Fetched] = {}
        """As they were found since the last round; most who wait want the same."""
        self._high_watermark = start.offset
        self._log_start = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._failure: Exception | None = None
        self._used = True
        """Whether anybody came since the last round."""

        self._task = asyncio.create_task(self._follow(), name="kafka-tail")

    def covers(self, offset: int) -> bool:
        """Whether everything from this offset on has been, or will be, seen here."""
        return self._first <= offset <= self._at.offset

    async def fetch(self, offset: int, limit: Limit, seconds: float) -> Fetched | None:
        """Records from `offset` on, which this tail covers; waits so long for the first.

        None: it has been here and is not any more. Raises what the loop failed of.
        """
        self._used = True
        if offset == self._at.offset:
            await self._arrival(seconds)
        if offset < self._first:
            return None
        found = self._pages.get((offset, limit))
        if found is None:
            found = self._page(offset, limit)
            if len(self._pages) >= PAGES:
                self._pages.clear()
            self._pages[offset, limit] = found
        return found

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def _page(self, offset: int, limit: Limit) -> Fetched:
        records: list[Record] = []
        size, next_offset = 0, self._at.offset
        for record in self._kept:
            if record.offset >= offset:
                length = len(record.value or b"")
                if len(records) >= limit.count or (records and size + length > limit.max_bytes):
                    next_offset = record.offset
                    break
                size += length
                records.append(record)
        return Fetched(records, next_offset, self._high_watermark, self._log_start, Shared(size))

    async def _arrival(self, seconds: float) -> None:
        arrival = asyncio.get_running_loop().create_future()
        self._waiting.add(arrival)
        try:
            await asyncio.wait({arrival}, timeout=seconds)
        finally:
            self._waiting.discard(arrival)
        if self._failure is not None:
            raise self._failure

    async def _follow(self) -> None:
        try:
            while True:
                piece, asked = await self._look(self._at, STEP, SLICE)
                self._take(piece, asked)
                if not self._waiting and not self._used:
                    return
                self._used = False
        except Exception as error:  # noqa: BLE001 - whoever waits shall hear it
            self._failure = error
        finally:
            self._ended()
            self._wake()

    def _take(self, piece: Piece, asked: Position) -> None:
        if asked != self._at:  # the topic was made anew, or records were deleted: what was here is no more
            self._kept.clear()
            self._size, self._first = 0, asked.offset
        page = Page(STEP)
        next_offset = Stretch(asked, piece).read(page, asked.offset)
        self._high_watermark, self._log_start = piece.high_watermark, piece.log_start
        for record in page.records:
            self._kept.append(record)
            self._size += len(record.value or b"")
        while self._kept and (self._size > KEPT_BYTES or self._kept[0].offset < piece.log_start):
            oldest = self._kept.popleft()
            self._size -= len(oldest.value or b"")
            self._first = oldest.offset + 1
        moved, self._at = next_offset != self._at.offset, asked._replace(offset=next_offset)
        self._pages.clear()
        if moved:
            self._wake()

    def _wake(self) -> None:
        for arrival in self._waiting:
            if not arrival.done():
                arrival.set_result(None)
        self._waiting.clear()


class Tails:
    """The tails that somebody waits at, at most one a partition."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._tails: dict[tuple[str, int], Tail] = {}

    def __len__(self) -> int:
        return len(self._tails)

    def at(self, position: Position) -> Tail | None:
        """The one that covers this position, if there is one."""
        tail = self._tails.get(position[:2])
        return tail if tail is not None and tail.covers(position.offset) else None

    def start(self, position: Position) -> Tail:
        """One that starts here; for positions at the end of the log."""
        key = position[:2]
        tail = Tail(position, self._look, lambda: self._end(key, tail))
        self._tails[key] = tail
        return tail

    async def close(self) -> None:
        await asyncio.gather(*(tail.close() for tail in list(self._tails.values())))

    def _end(self, key: tuple[str, int], tail: Tail) -> None:
        if self._tails.get(key) is tail:
            del self._tails[key]
