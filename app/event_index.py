"""The contract of the index of events: the log by attribute (API 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from app.deadline import Deadline
from app.gateway.sight import Sight

Bucket = Literal["minute", "hour", "day"]


class Place(NamedTuple):
    """Where an event stands in the order: its own time, in microseconds since the epoch, and its id."""

    at: int
    id: str


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events. Times are microseconds since the epoch, both ends included; None asks nothing."""

    event_type: str | None = None
    start: int | None = None
    end: int | None = None
    aggregate_id: str | None = None
    aggregate_type: str | None = None
    from_version: int | None = None
    to_version: int | None = None
    correlation_id: str | None = None
    source: str | None = None
    stream: str | None = None
    topic: str | None = None
    descending: bool = False
    after: Place | None = None
    limit: int = 100


class FoundEvent(NamedTuple):
    """An event as it stands on the log, and its place."""

    place: Place
    value: bytes


class Count(NamedTuple):
    """How many events of a type there are in the bucket of time that begins at `start` (microseconds)."""

    start: int
    event_type: str
    number: int


class EventIndex(Protocol):
    """Each event id once, however often it was delivered. Shows only events of topics in `sight`.

    Every call first waits, within bounds, for what stood on the log when it came; `lag` is how many records are still
    missing, 0 once all are there.
    """

    async def find(self, query: EventQuery, sight: Sight, deadline: Deadline) -> tuple[Sequence[FoundEvent], int]:
        """At most `limit` and one more, which tells that there is a next page; and the lag."""
        ...

    async def get(self, event_id: str, sight: Sight, deadline: Deadline) -> tuple[bytes | None, int]:
        """The event, None where there is none; and the lag."""
        ...

    async def count(
        self, query: EventQuery, bucket: Bucket, sight: Sight, deadline: Deadline
    ) -> tuple[Sequence[Count], int]:
        """Counts of the events from `start` to `end`, of one type or of all. Raises ValidationFailed: too many."""
        ...
