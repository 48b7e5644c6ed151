"""The ends of partitions, each followed by one loop, however many listen."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from app.broker import Broker
from app.errors import NotFound, Unavailable
from app.gateway.live.listener import Listener
from app.gateway.live.page import Page, Render, rendered
from app.record import Limit, Position

WAIT = 5.0
"""Seconds that one fetch waits for records; so long may a topic that was made anew go unnoticed."""

PAUSE = 1.0
"""Seconds before a broker that is away is asked again."""

KEPT_BYTES = 1 << 18
STEP = Limit(500, KEPT_BYTES)


class Feed:
    """One partition from `start` on, for as long as anybody listens.

    What it found last is kept, a little of it, for those who come a moment later. While the broker is away it waits;
    of any other failure all who listen hear.
    """

    def __init__(self, log: Broker, start: Position, render: Render, ended: Callable[[], None]) -> None:
        self._log = log
        self._at = start
        self._render = render
        self._ended = ended
        self._first = start.offset
        self._kept: deque[Page] = deque()
        self._size = 0
        self._listeners: set[Listener] = set()
        self._task = asyncio.create_task(self._follow(), name="feed")

    def covers(self, offset: int) -> bool:
        """Whether everything from this offset on has been seen here and is kept, or will be seen."""
        return offset >= self._first

    def join(self, listener: Listener, offset: int) -> None:
        """From now on, and what is kept from `offset` on."""
        for page in self._kept:
            if page.next_offset > offset:
                listener.offer(page)
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self._task.cancel()
            self._ended()

    async def _follow(self) -> None:
        try:
            while True:
                await self._look()
                await asyncio.sleep(0)  # whoever listens comes first: a log in memory is always ready
        except Exception as error:  # noqa: BLE001 - whoever listens shall hear it
            self._ended()
            for listener in self._listeners:
                listener.end(error)

    async def _look(self) -> None:
        at = self._at
        try:
            fetched = await self._log.fetch(at, STEP, WAIT)
        except Unavailable:
            await asyncio.sleep(PAUSE)
            return
        if fetched.high_watermark < at.offset:
            raise NotFound(f"topic '{at.topic}' was deleted and made anew")
        if fetched.next_offset > at.offset:
            self._at = at._replace(offset=fetched.next_offset)
            self._tell(rendered(at.partition, at.offset, fetched, self._render))

    def _tell(self, page: Page) -> None:
        self._kept.append(page)
        self._size += page.size
        while self._size > KEPT_BYTES and len(self._kept) > 1:
            oldest = self._kept.popleft()
            self._size -= oldest.size
            self._first = oldest.next_offset
        for listener in self._listeners:
            listener.offer(page)


class Feeds:
    """The feeds that somebody listens to, at most one a partition."""

    def __init__(self, log: Broker, render: Render) -> None:
        self._log = log
        self._render = render
        self._feeds: dict[tuple[str, int], Feed] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    def join(self, listener: Listener, topic: str, positions: Mapping[int, int]) -> bool:
        """Listen to these partitions from these offsets on, which were the ends of the log a moment ago.

        False: one of them is further back than its feed remembers, and none was joined.
        """
        running = {number: self._feeds.get((topic, number)) for number in positions}
        if any(feed and not feed.covers(positions[number]) for number, feed in running.items()):
            return False
        for number, offset in positions.items():
            feed = running[number] or self._start(Position(topic, number, offset))
            feed.join(listener, offset)
        return True

    def leave(self, listener: Listener, topic: str, partitions: Mapping[int, int]) -> None:
        for number in partitions:
            if feed := self._feeds.get((topic, number)):
                feed.leave(listener)

    def _start(self, position: Position) -> Feed:
        key = position[:2]
        feed = Feed(self._log, position, self._render, lambda: self._end(key, feed))
        self._feeds[key] = feed
        return feed

    def _end(self, key: tuple[str, int], feed: Feed) -> None:
        if self._feeds.get(key) is feed:
            del self._feeds[key]
