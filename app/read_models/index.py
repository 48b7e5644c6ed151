"""The index of events as handlers use it: it waits for what was there, then reads in threads."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from typing import Any

from app.broker import Log
from app.deadline import Deadline
from app.errors import SluiceError, ValidationFailed
from app.event_index import Bucket, Count, EventQuery, FoundEvent
from app.gateway.sight import Sight, in_sight
from app.names import TopicName
from app.read_models.events import EventTable
from app.read_models.progress import Awaited, marks_of
from app.read_models.statements import MOST_COUNTS

_ANSWER_SECONDS = 0.5
"""What is left of the deadline for the answer itself."""

_LOOK_SECONDS = 2.0
"""How long the log may take to tell its high watermarks."""


class SqlEventIndex:
    """Reads `table`, which is filled from `topics`. `wait` is for how many seconds it is waited for."""

    def __init__(
        self,
        log: Log,
        table: EventTable,
        progress: Awaited,
        readers: Executor,
        *,
        topics: Sequence[str],
        wait: float,
    ) -> None:
        self._log = log
        self._table = table
        self._progress = progress
        self._readers = readers
        self._topics = topics
        self._wait = wait

    async def find(self, query: EventQuery, sight: Sight, deadline: Deadline) -> tuple[Sequence[FoundEvent], int]:
        lag = await self._caught_up(deadline)
        return await self._read(deadline, self._table.find, query, self._asked(query, sight)), lag

    async def get(self, event_id: str, sight: Sight, deadline: Deadline) -> tuple[bytes | None, int]:
        lag = await self._caught_up(deadline)
        return await self._read(deadline, self._table.get, event_id, self._asked(EventQuery(), sight)), lag

    async def count(
        self, query: EventQuery, bucket: Bucket, sight: Sight, deadline: Deadline
    ) -> tuple[Sequence[Count], int]:
        lag = await self._caught_up(deadline)
        counts = await self._read(deadline, self._table.count, query, bucket, self._asked(query, sight))
        if len(counts) > MOST_COUNTS:
            raise ValidationFailed.of("bucket", f"more than {MOST_COUNTS} counts: narrow them by start, end and type")
        return counts, lag

    def _asked(self, query: EventQuery, sight: Sight) -> Collection[str] | None:
        """The topics that are asked for and in sight; None where that is no restriction."""
        names = {full: TopicName.from_broker(full) for full in in_sight(self._topics, sight)}
        asked = [
            full
            for full, name in names.items()
            if query.stream in (None, name.stream) and query.topic in (None, name.topic)
        ]
        return None if len(asked) == len(self._topics) else asked

    async def _caught_up(self, deadline: Deadline) -> int:
        """A log that is away keeps nobody from reading what is there."""
        try:
            async with asyncio.timeout(_within(deadline, _LOOK_SECONDS)):
                marks = await marks_of(self._log, self._topics)
        except (SluiceError, TimeoutError):
            return 0
        return await deadline.run(self._progress.caught_up(marks, _within(deadline, self._wait)))

    async def _read(self, deadline: Deadline, work: Callable[..., Any], *arguments: Any) -> Any:
        return await deadline.run(asyncio.get_running_loop().run_in_executor(self._readers, work, *arguments))


def _within(deadline: Deadline, seconds: float) -> float:
    return max(0.0, min(seconds, deadline.remaining() - _ANSWER_SECONDS))
