"""The log's side of the index: which partitions there are, and what comes next of each."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.broker import Log
from app.errors import NotFound
from app.read_models.progress import START, Partition, Progress, marks_of
from app.read_models.records import mark_of
from app.record import Limit, Position, Record

_PAGE = Limit(2000, 4 << 20)
_LOOK_SECONDS = 1.0
"""How often to look for topics and partitions that are new, or gone."""

_NOTHING_SECONDS = 0.1


class Page(NamedTuple):
    """Records of a partition, how far it is read with them, and how far there is something to read."""

    records: Sequence[Record]
    progress: Progress
    high_watermark: int


class Source:
    """These topics of the log, as one thing to read. Raises what the log raises."""

    def __init__(self, log: Log, topics: Sequence[str]) -> None:
        self._log = log
        self.topics = topics
        self._places: list[Partition] = []
        self._look_at = 0.0

    def look_again(self) -> None:
        """What was known of the topics may be wrong."""
        self._look_at = 0.0

    async def places(self) -> list[Partition]:
        """The partitions that there are, as of a second ago at most."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            there = await self._log.topics()
            self._places = [(topic, number) for topic in self.topics for number in range(there.get(topic, 0))]
            self._look_at = now + _LOOK_SECONDS
        return self._places

    async def marks(self) -> dict[Partition, int]:
        """The high watermarks."""
        return await marks_of(self._log, self.topics)

    async def page(self, place: Partition, at: Progress) -> Page | None:
        """What comes next of a partition; None: its topic is not the one that was read up to there.

        To tell, the last record that was read is read again with those that follow.
        """
        again = 1 if at.mark else 0
        fetched = await self._log.fetch(Position(*place, at.next_offset - again), _PAGE)
        records = fetched.records
        if fetched.high_watermark < at.next_offset:
            return None
        if records and records[0].offset < at.next_offset:
            if mark_of(records[0]) != at.mark:
                return None
            records = records[1:]
        if fetched.next_offset == at.next_offset:
            return Page((), at, fetched.high_watermark)
        progress = Progress(fetched.next_offset, mark_of(records[-1]) if records else 0)
        return Page(records, progress, fetched.high_watermark)

    async def news(self, at: Mapping[Partition, Progress]) -> None:
        """Return when a partition has more to read, or when it is time to look for other partitions."""
        if not self._places:
            await asyncio.sleep(_NOTHING_SECONDS)
            return
        waits = [
            asyncio.ensure_future(
                self._log.fetch(Position(*place, at.get(place, START).next_offset), Limit(1, 1), wait=_LOOK_SECONDS)
            )
            for place in self._places
        ]
        try:
            await asyncio.wait(waits, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            for ended in await asyncio.gather(*waits, return_exceptions=True):
                if isinstance(ended, NotFound):
                    self.look_again()
                elif isinstance(ended, Exception):
                    raise ended
