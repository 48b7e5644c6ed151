"""Questions in SQL: every one finds its rows by an index, and pages come out of it in order."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, select, tuple_, union_all
from sqlalchemy.sql.selectable import CompoundSelect

from app.event_index import Bucket, EventQuery
from app.read_models.records import key_of
from app.read_models.tables import ATTRIBUTES, EVENTS, index_of

MOST_COUNTS = 10_000
_MOST_PARTS = 100
_MICROSECONDS: Mapping[Bucket, int] = {"minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}
_TEXTS = ("event_type", "correlation_id", "aggregate_id", "source", "aggregate_type")

Statement = Select[Any] | CompoundSelect[Any]
Topics = Collection[str] | None
"""Whose events may be told; None: of all topics."""


def select_events(query: EventQuery, topics: Topics) -> Statement:
    """`at`, `id` and `value` of one page, and of one event more."""
    several = topics is not None and 1 < len(topics) <= _MOST_PARTS
    if topics is None or not several or _index_for(query, None) != index_of("at"):
        return _page(query, topics)
    # An index tells each topic's in order, but not those of several: so a page of each, and of these the first.
    parts = [_page(query, [topic]).subquery() for topic in sorted(topics)]
    whole = union_all(*(select(part) for part in parts)).subquery()
    return select(whole).order_by(*_order(whole.c, descending=query.descending)).limit(query.limit + 1)


def _page(query: EventQuery, topics: Topics) -> Select[Any]:
    conditions = [*_conditions(query), *in_topics(topics)]
    if query.after is not None:
        here = tuple_(EVENTS.c.at, EVENTS.c.id)
        there = tuple_(literal(query.after.at), literal(query.after.id))
        conditions.append(here < there if query.descending else here > there)
    return (
        select(EVENTS.c.at, EVENTS.c.id, EVENTS.c.value)
        .where(*conditions)
        .order_by(*_order(EVENTS.c, descending=query.descending))
        .limit(query.limit + 1)
        .with_hint(EVENTS, f"INDEXED BY {_index_for(query, topics)}", "sqlite")
    )


def count_events(query: EventQuery, bucket: Bucket, topics: Topics) -> Select[Any]:
    """`start`, `event_type` and `number`, at most `MOST_COUNTS` and one more, oldest first."""
    width: ColumnElement[int] = literal_column(str(_MICROSECONDS[bucket]))
    remainder = (EVENTS.c.at % width + width) % width  # of times before 1970, too
    start = (EVENTS.c.at - remainder).label("start")
    return (
        select(start, EVENTS.c.event_type, func.count().label("number"))
        .where(*_conditions(query), *in_topics(topics))
        .group_by(start, EVENTS.c.event_type)
        .order_by(start, EVENTS.c.event_type)
        .limit(MOST_COUNTS + 1)
        .with_hint(EVENTS, f"INDEXED BY {_index_for(query, topics)}", "sqlite")
    )


def _index_for(query: EventQuery, topics: Topics) -> str:
    """By which to find the fewest. SQLite is told, which keeps no statistics here; PostgreSQL has its own."""
    for name in ATTRIBUTES:
        asked = (query.from_version, query.to_version) if name == "version" else (getattr(query, name),)
        if any(value is not None for value in asked):
            return index_of(name)
    if query.event_type is not None:
        return index_of("event_type")
    return index_of("at" if topics is None or len(topics) > _MOST_PARTS else "topic")


def _order(columns: Any, *, descending: bool) -> list[ColumnElement[Any]]:
    order = (columns.at, columns.id)
    return [column.desc() if descending else column.asc() for column in order]


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    c = EVENTS.c
    conditions = [c[name] == key_of(value) for name in _TEXTS if (value := getattr(query, name)) is not None]
    if query.start is not None:
        conditions.append(c.at >= query.start)
    if query.end is not None:
        conditions.append(c.at <= query.end)
    if query.from_version is not None:
        conditions.append(c.version >= query.from_version)
    if query.to_version is not None:
        conditions.append(c.version <= query.to_version)
    return conditions


def in_topics(topics: Topics) -> list[ColumnElement[bool]]:
    """The condition, if there is one."""
    return [] if topics is None else [EVENTS.c.topic.in_(sorted(topics))]
