"""The index's statements. All of this blocks: `index` and `projector` call it in threads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, func, literal, select, tuple_
from sqlalchemy.dialects.sqlite import insert

from app.event_index import Bucket, Count, EventQuery, FoundEvent, Place
from app.read_models.tables import EVENTS, POSITIONS

MOST_COUNTS = 10_000
_MICROSECONDS: Mapping[Bucket, int] = {"minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}

Partition = tuple[str, int]


class Progress(NamedTuple):
    """The next offset to read of a partition, and the mark of the record before it."""

    next_offset: int
    mark: int


class Keep(NamedTuple):
    """The most events, and the greatest age of a record in milliseconds; 0: no bound."""

    events: int
    age_ms: int


class EventTable:
    """Events and positions, in one database."""

    def __init__(self, engine: Engine, keep: Keep) -> None:
        self._engine = engine
        self._keep = keep
        self._count: int | None = None

    def positions(self) -> dict[Partition, Progress]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(POSITIONS)).all()
        return {(row.topic, row.partition): Progress(row.next_offset, row.mark) for row in rows}

    def apply(self, rows: Sequence[dict[str, Any]], moved: Mapping[Partition, Progress], now_ms: int) -> None:
        """Add the events whose ids are not there, and note how far the topics were read: both or neither."""
        with self._engine.begin() as connection:
            if rows:
                added = connection.execute(insert(EVENTS).on_conflict_do_nothing(), rows).rowcount
                if self._count is not None:
                    self._count += added
            if moved:
                statement = insert(POSITIONS)
                changed = {"next_offset": statement.excluded.next_offset, "mark": statement.excluded.mark}
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=changed),
                    [{"topic": t, "partition": p, **at._asdict()} for (t, p), at in moved.items()],
                )
            self._trim(connection, now_ms)

    def forget(self, topic: str) -> None:
        """Drop the topic's events with its positions."""
        with self._engine.begin() as connection:
            connection.execute(delete(EVENTS).where(EVENTS.c.topic == topic))
            connection.execute(delete(POSITIONS).where(POSITIONS.c.topic == topic))
        self._count = None

    def _trim(self, connection: Connection, now_ms: int) -> None:
        if self._keep.age_ms:
            old = EVENTS.c.recorded_ms < now_ms - self._keep.age_ms
            if connection.execute(delete(EVENTS).where(old)).rowcount:
                self._count = None
        if not self._keep.events:
            return
        if self._count is None:
            self._count = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
        if (over := self._count - self._keep.events) > 0:
            oldest = select(EVENTS.c.id).order_by(EVENTS.c.recorded_ms, EVENTS.c.id).limit(over)
            connection.execute(delete(EVENTS).where(EVENTS.c.id.in_(oldest)))
            self._count -= over

    def find(self, query: EventQuery, topics: Collection[str] | None) -> list[FoundEvent]:
        with self._engine.connect() as connection:
            rows = connection.execute(select_events(query, topics)).all()
        return [FoundEvent(Place(row.at, row.id), row.value) for row in rows]

    def get(self, event_id: str, topics: Collection[str] | None) -> bytes | None:
        statement = select(EVENTS.c.value).where(EVENTS.c.id == event_id, *_in_topics(topics))
        with self._engine.connect() as connection:
            value: bytes | None = connection.execute(statement).scalar_one_or_none()
        return value

    def count(self, query: EventQuery, bucket: Bucket, topics: Collection[str] | None) -> list[Count]:
        """At most `MOST_COUNTS` and one more, oldest first."""
        width = _MICROSECONDS[bucket]
        remainder = (EVENTS.c.at % width + width) % width  # of times before 1970, too
        start = (EVENTS.c.at - remainder).label("start")
        statement = (
            select(start, EVENTS.c.event_type, func.count().label("number"))
            .where(*_conditions(query), *_in_topics(topics))
            .group_by(start, EVENTS.c.event_type)
            .order_by(start, EVENTS.c.event_type)
            .limit(MOST_COUNTS + 1)
        )
        with self._engine.connect() as connection:
            return [Count(row.start, row.event_type, row.number) for row in connection.execute(statement)]


def select_events(query: EventQuery, topics: Collection[str] | None) -> Select[Any]:
    """One page and one event more; `topics` None: of all topics."""
    conditions = [*_conditions(query), *_in_topics(topics)]
    order = [EVENTS.c.at, EVENTS.c.id]
    if query.after is not None:
        here, there = tuple_(*order), tuple_(literal(query.after.at), literal(query.after.id))
        conditions.append(here < there if query.descending else here > there)
    return (
        select(EVENTS.c.at, EVENTS.c.id, EVENTS.c.value)
        .where(*conditions)
        .order_by(*([column.desc() for column in order] if query.descending else order))
        .limit(query.limit + 1)
    )


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    c = EVENTS.c
    equal = ("event_type", "aggregate_id", "aggregate_type", "correlation_id", "source")
    conditions = [c[name] == value for name in equal if (value := getattr(query, name)) is not None]
    if query.start is not None:
        conditions.append(c.at >= query.start)
    if query.end is not None:
        conditions.append(c.at <= query.end)
    if query.from_version is not None:
        conditions.append(c.version >= query.from_version)
    if query.to_version is not None:
        conditions.append(c.version <= query.to_version)
    return conditions


def _in_topics(topics: Collection[str] | None) -> list[ColumnElement[bool]]:
    if topics is None:
        return []
    return [EVENTS.c.topic.in_(sorted(topics))]
