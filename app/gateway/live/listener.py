"""What waits for one client: pages in their order, and word that it is over."""

import asyncio
from collections import deque

from app.gateway.live.page import Page


class Listener:
    """Holds at most `most_bytes` of pages, and one in any case.

    What comes on top is not kept: it is `overflowed` from then on, and who listens has to read it from the log. Every
    `beat` seconds a wait ends for nothing. `close` it in the end.
    """

    def __init__(self, *, most_bytes: int, beat: float) -> None:
        self._most_bytes = most_bytes
        self._beat_seconds = beat
        self._loop = asyncio.get_running_loop()
        self._pages: deque[Page] = deque()
        self._size = 0
        self._due = False
        self._arrival: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(beat, self._beat)
        self.overflowed = False
        self.over: asyncio.Future[Exception] = self._loop.create_future()
        """Why it is over, once it is."""

    def offer(self, page: Page) -> None:
        if self.overflowed:
            return
        if self._pages and self._size + page.size > self._most_bytes:
            self.overflowed = True
            return
        self._pages.append(page)
        self._size += page.size
        self._wake()

    def end(self, reason: Exception, *, at_once: bool = False) -> None:
        """It is over, once what waits is taken or `at_once`."""
        if at_once:
            self._pages.clear()
            self._size = 0
        if not self.over.done():
            self.over.set_result(reason)
            self._wake()

    @property
    def ended(self) -> bool:
        """Whether it is over and nothing waits."""
        return self.over.done() and not self._pages

    def take(self) -> Page | None:
        """The oldest page that waits."""
        if not self._pages:
            return None
        page = self._pages.popleft()
        self._size -= page.size
        return page

    def clear(self) -> None:
        """Forget what waits: it is for others now."""
        self._pages.clear()
        self._size = 0
        self.overflowed = False
        self._wake()

    def forgive(self) -> None:
        """Keep pages again."""
        self.overflowed = False

    def due(self) -> bool:
        """Whether `beat` seconds have passed since the last time that this was true."""
        due, self._due = self._due, False
        return due

    def rouse(self) -> None:
        """Let a beat be due now."""
        self._due = True
        self._wake()

    async def wait(self) -> None:
        """Return when there is a page, a beat is due, or it is over."""
        if self._pages or self._due or self.over.done():
            return
        self._arrival = self._loop.create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def close(self) -> None:
        self._timer.cancel()
        self._pages.clear()

    def _beat(self) -> None:
        self._due = True
        self._timer = self._loop.call_later(self._beat_seconds, self._beat)
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
