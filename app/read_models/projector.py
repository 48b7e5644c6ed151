"""Follows topics of the log into the index, beside the requests."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from app.broker import Log
from app.deadline import Clock
from app.errors import NotFound, SluiceError
from app.read_models.database import DatabaseAway
from app.read_models.events import EventTable, Partition, Progress
from app.read_models.records import mark_of, row_of
from app.record import Fetched, Limit, Position
from app.telemetry.logs import get_logger

_log = get_logger(__name__)

_PAGE = Limit(2000, 4 << 20)
_LOOK_SECONDS = 1.0
"""How long to wait for news before looking for topics and partitions that are new."""

_PAUSE_SECONDS = 0.5
_START = Progress(0, 0)


class Projector:
    """Reads `topics` as they grow. One that is missing is waited for; one that is deleted takes its events along.

    `writer` is the one thread that writes to the table.
    """

    def __init__(self, log: Log, table: EventTable, writer: Executor, *, topics: Sequence[str], clock: Clock) -> None:
        self._log = log
        self._table = table
        self._writer = writer
        self._topics = topics
        self._clock = clock
        self._at: dict[Partition, Progress] = {}
        self._away = False
        self._begun = asyncio.Event()
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """Return when it knows how far the index is, at the latest after so long."""
        self._task = asyncio.create_task(self._forever(), name="event index")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._begun.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def caught_up(self, marks: Mapping[Partition, int], seconds: float) -> int:
        """Wait until these high watermarks are behind us, at most so long; how many records are missing then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: not self._missing(marks))
        return self._missing(marks)

    def _missing(self, marks: Mapping[Partition, int]) -> int:
        return sum(max(0, mark - self._at.get(place, _START).next_offset) for place, mark in marks.items())

    async def _forever(self) -> None:
        known = False
        while True:
            try:
                if not known:
                    await self._begin()
                    known = True
                if not await self._round():
                    await self._news()
                continue
            except DatabaseAway as away:
                self._tell(away)
            except SluiceError:
                pass  # the log is away, which the link tells of
            except Exception:  # noqa: BLE001  # a mistake of ours, or a full disk: neither may end the index for good
                _log.exception("the event index can't go on for now")
            known = False  # what was not committed is read again
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _begin(self) -> None:
        """Go on where the database says."""
        await self._in_writer(self._table.prepare)
        self._at = await self._in_writer(self._table.positions)
        if self._away:
            self._away = False
            _log.info("the database of the event index is there again")
        self._begun.set()
        await self._forget_unlisted()

    def _tell(self, away: DatabaseAway) -> None:
        """Once, however long it lasts."""
        if not self._away:
            self._away = True
            _log.warning("the database of the event index is away", reason=away.reason)

    async def _forget_unlisted(self) -> None:
        for topic in {topic for topic, _ in self._at} - set(self._topics):
            await self._forget(topic)

    async def _round(self) -> bool:
        """Read a page of every partition and write all of them at once. False: there was nothing new."""
        places = await self._places()
        pages = await asyncio.gather(*(self._page(place) for place in places))
        rows: list[dict[str, Any]] = []
        moved: dict[Partition, Progress] = {}
        for place, page in zip(places, pages, strict=True):
            if page is None:
                await self._forget(place[0])
                return True
            at = self._at.get(place, _START)
            if page.next_offset != at.next_offset or (place not in self._at and page.records):
                moved[place] = Progress(page.next_offset, mark_of(page.records[-1]) if page.records else 0)
            rows += [row for record in page.records if (row := row_of(place[0], record)) is not None]
        await self._in_writer(self._table.apply, rows, moved, int(self._clock() * 1000))
        self._at |= moved
        async with self._moved:
            self._moved.notify_all()
        return bool(moved)

    async def _places(self) -> list[Partition]:
        """The partitions that there are; of a topic that is gone, the events go, too."""
        there = await self._log.topics()
        for topic in self._topics:
            if topic not in there and any(topic == known for known, _ in self._at):
                await self._forget(topic)
        return [(topic, number) for topic in self._topics for number in range(there.get(topic, 0))]

    async def _page(self, place: Partition) -> Fetched | None:
        """What comes next of a partition; None: its topic is not the one that was read before."""
        at = self._at.get(place, _START)
        page = await self._log.fetch(Position(*place, at.next_offset), _PAGE)
        if page.high_watermark < at.next_offset:
            return None
        if page.records and at.mark and page.log_start_offset < at.next_offset:
            before = await self._log.fetch(Position(*place, at.next_offset - 1), Limit(1, 1))
            first = before.records[0] if before.records else None
            if first is not None and first.offset == at.next_offset - 1 and mark_of(first) != at.mark:
                return None
        return page

    async def _news(self) -> None:
        """Return when a partition has more to read, or after a while."""
        places = list(self._at)
        waits = [
            asyncio.ensure_future(
                self._log.fetch(Position(*place, self._at[place].next_offset), Limit(1, 1), wait=_LOOK_SECONDS)
            )
            for place in places
        ]
        if not waits:
            await asyncio.sleep(_PAUSE_SECONDS / 5)
            return
        try:
            await asyncio.wait(waits, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            for ended in await asyncio.gather(*waits, return_exceptions=True):
                if isinstance(ended, Exception) and not isinstance(ended, NotFound):
                    raise ended

    async def _forget(self, topic: str) -> None:
        await self._in_writer(self._table.forget, topic)
        self._at = {place: at for place, at in self._at.items() if place[0] != topic}
        _log.info("topic left the event index, or begins there anew", topic=topic)

    async def _in_writer(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)
