"""Totals over the whole log, read in the background: asking for them costs the broker nothing."""

from collections.abc import Callable
from typing import NamedTuple

from app.gateway.catalog import Catalog
from app.gateway.sight import Everything

_STALE_AFTER = 2
"""Times the interval."""


class Totals(NamedTuple):
    """What is visible of the log, internal topics left out."""

    streams: int
    topics: int
    messages: int
    size_bytes: int


class Snapshot(NamedTuple):
    """`totals` and their `age` in seconds; None before they were first read. `stale`: the last readings failed."""

    totals: Totals | None
    age: float | None
    stale: bool
    uptime: float


class Stats:
    """The totals as they were last read, which somebody does every `interval` seconds."""

    def __init__(self, catalog: Catalog, *, interval: float, monotonic: Callable[[], float]) -> None:
        self._catalog = catalog
        self._interval = interval
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._totals: Totals | None = None
        self._read_at: float | None = None

    def snapshot(self) -> Snapshot:
        """What is known now; asks nobody."""
        now = self._monotonic()
        age = None if self._read_at is None else now - self._read_at
        stale = age is None or age > _STALE_AFTER * self._interval
        return Snapshot(self._totals, age, stale, now - self._started_at)

    async def read(self) -> None:
        """Read them anew. Raises what asking the broker raises: then the last ones stay."""
        streams = await self._catalog.streams(Everything())
        self._totals = Totals(
            len(streams),
            sum(stream.topics_count for stream in streams),
            sum(stream.messages_count for stream in streams),
            sum(stream.size_bytes for stream in streams),
        )
        self._read_at = self._monotonic()
