"""The tables of the index of events, and the database they are in."""

from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)

_metadata = MetaData()

EVENTS = Table(
    "events",
    _metadata,
    Column("id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the event's own time, microseconds
    Column("recorded_ms", BigInteger, nullable=False),  # the record's, by which events grow old
    Column("event_type", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("aggregate_id", String),
    Column("aggregate_type", String),
    Column("version", BigInteger),
    Column("correlation_id", String),
    Column("source", String),
    Column("value", LargeBinary, nullable=False),
)
POSITIONS = Table(
    "positions",
    _metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("mark", BigInteger, nullable=False),  # of the record before it: see `records.mark_of`
)

Index("events_by_time", EVENTS.c.at, EVENTS.c.id)
Index("events_by_age", EVENTS.c.recorded_ms, EVENTS.c.id)
Index("events_by_topic", EVENTS.c.topic, EVENTS.c.at, EVENTS.c.id)
Index("events_by_type", EVENTS.c.event_type, EVENTS.c.at, EVENTS.c.id)
for _name in ("aggregate_id", "aggregate_type", "version", "correlation_id", "source"):
    _column = EVENTS.c[_name]
    Index(f"events_by_{_name}", _column, EVENTS.c.at, EVENTS.c.id, sqlite_where=_column.is_not(None))


def open_database(path: Path) -> Engine:
    """The database in this file, with its tables; folders are made. One thread at a time may write to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _set_up)
    _metadata.create_all(engine)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    """A killed process loses nothing; what a power cut takes is made again from the log."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
