"""How far the index is, and how to wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from app.broker import Log

_FIRST_PAUSE_SECONDS = 0.004
_LONGEST_PAUSE_SECONDS = 0.05
_KNOWN_SECONDS = 1.0
"""Positions grow, unless a topic is made anew: for so long they count without being asked for."""

Partition = tuple[str, int]


class Progress(NamedTuple):
    """The next offset to read of a partition, and the mark of the record before it."""

    next_offset: int
    mark: int


START = Progress(0, 0)
Positions = Mapping[Partition, Progress]


def missing(marks: Mapping[Partition, int], at: Positions) -> int:
    """How many records there are before these high watermarks that were not read."""
    return sum(max(0, mark - at.get(place, START).next_offset) for place, mark in marks.items())


async def marks_of(log: Log, topics: Sequence[str]) -> dict[Partition, int]:
    """The high watermarks of those topics that there are."""
    found = await log.describe_many(topics)
    return {(topic.name, p.partition): p.high_watermark for topic in found for p in topic.partitions}


class Awaited(Protocol):
    """Something that reads the log, and gets on."""

    async def caught_up(self, marks: Mapping[Partition, int], seconds: float) -> int:
        """Wait until these high watermarks are behind it, at most so long; how many records are missing then."""
        ...


class InDatabase:
    """As the database tells, whichever process follows the log. `read` asks it; what that raises is raised."""

    def __init__(self, read: Callable[[], Awaitable[Positions]]) -> None:
        self._read = read
        self._turn = asyncio.Lock()
        self._begun = 0
        self._at: Positions = {}
        self._known_until = 0.0

    async def caught_up(self, marks: Mapping[Partition, int], seconds: float) -> int:
        if asyncio.get_running_loop().time() < self._known_until and not missing(marks, self._at):
            return 0
        left, pause = missing(marks, await self._fresh()), _FIRST_PAUSE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while left:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
                    left = missing(marks, await self._fresh())
        return left

    async def _fresh(self) -> Positions:
        """What was read after this call; all that call while one reads share the next reading."""
        wanted = self._begun + 1
        async with self._turn:
            if self._begun < wanted:
                self._begun = wanted
                self._at = await self._read()
                self._known_until = asyncio.get_running_loop().time() + _KNOWN_SECONDS
            return self._at
