"""One client's way through a topic: first what is in the log, at the client's pace, then what comes."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.broker import Broker
from app.errors import NotFound, Unavailable, ValidationFailed
from app.gateway.live.feeds import PAUSE, STEP, Feeds
from app.gateway.live.listener import Listener
from app.gateway.live.page import Page, Render, rendered
from app.gateway.live.progress import Progress
from app.gateway.live.start import Start
from app.record import Fetched, Position


class Tail:
    """Pages of some partitions of a topic, each partition's in order and without a gap. Close it in the end.

    `grows`: partitions that the topic gets meanwhile are heard, too. `progress` is told what a consumer is done with.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        log: Broker,
        feeds: Feeds,
        topic: str,
        start: Start,
        listener: Listener,
        render: Render,
        *,
        grows: bool,
        progress: Progress | None = None,
    ) -> None:
        self._log = log
        self._feeds = feeds
        self._topic = topic
        self._positions = dict(start.positions)
        self._listener = listener
        self._render = render
        self._grows = grows
        self._progress = progress
        self._joined = False
        self._behind = start.behind
        """Whether the round of looks into the log found that there is more."""
        self._round: list[int] = []

    @property
    def positions(self) -> Mapping[int, int]:
        """The next offset of each partition."""
        return self._positions

    @property
    def commits(self) -> bool:
        """Whether what the client is told counts for a consumer."""
        return self._progress is not None

    @property
    def overflowed(self) -> bool:
        """Whether more waits for the client than may be held for it."""
        return self._listener.overflowed

    def leave(self) -> None:
        """The client is gone."""
        self.end(ConnectionResetError("the client is gone"))

    def end(self, reason: Exception) -> None:
        """It is over, at once."""
        self._listener.end(reason, at_once=True)

    def rouse(self) -> None:
        """Let a beat be due now."""
        self._listener.rouse()

    def acknowledge(self, partition: int, offset: int) -> None:
        """The client is done with it and all before it. Raises ValidationFailed."""
        if self._progress is None:
            raise ValidationFailed.of("ack", "there is nothing to acknowledge without consumer_id")
        self._progress.acknowledge(partition, offset, self._positions.get(partition))

    def told(self, page: Page) -> None:
        """The client has it."""
        if self._progress is not None and page.partition in self._positions:
            self._progress.done(page.partition, page.next_offset)

    def assign(self, positions: Mapping[int, int]) -> None:
        """Go on with these partitions, from these offsets, and no others."""
        self._leave()
        self._listener.clear()
        self._positions = dict(positions)
        self._behind = True
        self._round = []

    @property
    def over(self) -> "asyncio.Future[Exception]":
        """Done when nothing more shall be told, with the reason."""
        return self._listener.over

    async def next(self) -> Page | None:
        """The next page. None: a sign of life is due. Raises the reason why it is over."""
        while True:
            if self._listener.ended:
                raise self._listener.over.result()
            if self._listener.due():
                await self._look_for_partitions()
                return None
            page = await self._some()
            if page is not None and page.partition in self._positions:
                self._positions[page.partition] = page.next_offset
                return page

    def close(self) -> None:
        self._leave()
        self._listener.close()

    async def _some(self) -> Page | None:
        """A page, or None after one wait."""
        if (waiting := self._listener.take()) is not None:
            return waiting.since(self._positions.get(waiting.partition, waiting.next_offset))
        if self._listener.overflowed:
            self._fall_behind()
        if not self._joined:
            return await self._from_log()
        await self._listener.wait()
        return None

    async def _from_log(self) -> Page | None:
        """In rounds, a page of each partition; the feeds are joined after a round in which all were at their ends."""
        if not self._round:
            self._joined = not self._behind and self._feeds.join(self._listener, self._topic, self._positions)
            self._behind = False
            self._round = [] if self._joined else list(self._positions)
            return None
        partition = self._round.pop()
        at = Position(self._topic, partition, self._positions[partition])
        fetched = await self._fetch(at)
        if fetched is None or self._positions.get(partition) != at.offset:  # or it is another one's now
            self._behind = True
            return None
        if fetched.high_watermark < at.offset:
            raise NotFound(f"topic '{self._topic}' was deleted and made anew")
        self._behind = self._behind or fetched.next_offset < fetched.high_watermark
        if fetched.next_offset == at.offset:
            return None
        return rendered(at.partition, at.offset, fetched, self._render)

    async def _fetch(self, at: Position) -> Fetched | None:
        """None: it is over, or the broker is away, and a moment has passed."""
        fetching = asyncio.ensure_future(self._log.fetch(at, STEP))
        either: set[asyncio.Future[Any]] = {fetching, self._listener.over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return fetching.result() if fetching.done() else None
        except Unavailable:
            await asyncio.wait({self._listener.over}, timeout=PAUSE)
            return None
        finally:
            fetching.cancel()
            await asyncio.wait({fetching})

    async def _look_for_partitions(self) -> None:
        if not self._grows:
            return
        try:
            count = (await self._log.layout(self._topic)).partitions
        except Unavailable:
            return
        new = [number for number in range(count) if number not in self._positions]
        if new:
            self._fall_behind()
            self._positions |= dict.fromkeys(new, 0)

    def _fall_behind(self) -> None:
        """Read from the log again, until its ends."""
        self._leave()
        self._listener.forgive()
        self._behind = True
        self._round = []

    def _leave(self) -> None:
        if self._joined:
            self._feeds.leave(self._listener, self._topic, self._positions)
            self._joined = False
