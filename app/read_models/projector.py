"""Follows topics of the log into the index, beside the requests."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from app.deadline import Clock
from app.errors import SluiceError
from app.read_models.database import DatabaseAway
from app.read_models.events import EventTable
from app.read_models.lease import LeaseLost
from app.read_models.progress import START, Partition, Progress, missing
from app.read_models.records import row_of
from app.read_models.source import Source
from app.record import Record
from app.telemetry.logs import get_logger

_log = get_logger(__name__)

_PAUSE_SECONDS = 0.5
_RESIGN_SECONDS = 2.0


class Projector:
    """Reads the source as it grows. A topic that is missing is waited for; one that is deleted takes its events along.

    `writer` is the one thread that writes to the table. While another process writes, this one waits for its turn.
    `applied` is told of the records that are in the table, by topic and partition.
    """

    def __init__(
        self,
        source: Source,
        table: EventTable,
        writer: Executor,
        *,
        clock: Clock,
        applied: Callable[[str, int, Sequence[Record]], None] | None = None,
    ) -> None:
        self._source = source
        self._table = table
        self._writer = writer
        self._clock = clock
        self._applied = applied
        self._at: dict[Partition, Progress] = {}
        self._marks: dict[Partition, int] = {}
        self._away = False
        self._prepared = asyncio.Event()
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """Return when the index can be read, at the latest after so long."""
        self._task = asyncio.create_task(self._forever(), name="event index")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._prepared.wait()

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(DatabaseAway, TimeoutError):
            async with asyncio.timeout(_RESIGN_SECONDS):
                await self._in_writer(self._table.resign)

    @property
    def lag(self) -> int:
        """Records that are there and not in the index, as far as was seen; 0 where another process follows the log."""
        return missing(self._marks, self._at)

    async def caught_up(self, marks: Mapping[Partition, int], seconds: float) -> int:
        """As `progress.Awaited`, of what this process writes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self._away or not missing(marks, self._at))
        return missing(marks, self._at)

    async def _forever(self) -> None:
        known = False
        while True:
            try:
                if not known:
                    await self._begin()
                    known = True
                if not await self._round():
                    await self._source.news(self._at)
                continue
            except DatabaseAway as away:
                self._tell(_log.warning, "the database of the event index is away", reason=away.reason)
                await self._look()
            except LeaseLost:
                _log.info("another process follows the log into the event index")
            except SluiceError:
                pass  # the log is away, which the link tells of
            except Exception:  # noqa: BLE001  # a mistake of ours may not end the index for good
                self._tell(_log.exception, "the event index can't go on for now")
                await self._look()
            known = False  # what was not committed is read again
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _begin(self) -> None:
        """Go on where the database says, once it is our turn."""
        await self._in_writer(self._table.prepare)
        self._prepared.set()
        while not await self._in_writer(self._table.lead):
            self._marks = {}
            self._works()
            await asyncio.sleep(_PAUSE_SECONDS)
        self._source.look_again()
        self._at = await self._in_writer(self._table.positions)

    def _tell(self, log: Callable[..., None], event: str, **more: Any) -> None:
        """Once, however long it lasts."""
        if not self._away:
            self._away = True
            log(event, **more)

    def _works(self) -> None:
        if self._away:
            self._away = False
            _log.info("the event index goes on")

    async def _look(self) -> None:
        """Nothing is written now: let nobody wait for it, and see what is missed."""
        await self._notify()
        with contextlib.suppress(SluiceError):
            self._marks = await self._source.marks()

    async def _round(self) -> bool:
        """Read a page of every partition and write all of them at once. False: there was nothing new."""
        places = await self._source.places()
        for topic in {topic for topic, _ in self._at} - {topic for topic, _ in places}:
            await self._forget(topic)
        pages = await asyncio.gather(*(self._source.page(place, self._at.get(place, START)) for place in places))
        rows: list[dict[str, Any]] = []
        moved: dict[Partition, Progress] = {}
        for (topic, number), page in zip(places, pages, strict=True):
            if page is None:
                await self._forget(topic)
                return True
            self._marks[topic, number] = page.high_watermark
            if page.progress != self._at.get((topic, number), START):
                moved[topic, number] = page.progress
            rows += [row for record in page.records if (row := row_of(topic, record)) is not None]
        await self._in_writer(self._table.apply, rows, moved, int(self._clock() * 1000))
        self._at |= moved
        self._works()
        await self._notify()
        if self._applied:
            for place, page in zip(places, pages, strict=True):
                self._applied(*place, page.records if page else [])
        return bool(moved)

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _forget(self, topic: str) -> None:
        await self._in_writer(self._table.forget, topic)
        self._source.look_again()
        for known in (self._at, self._marks):
            for place in [place for place in known if place[0] == topic]:
                del known[place]
        _log.info("topic left the event index, or begins there anew", topic=topic)

    async def _in_writer(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)
