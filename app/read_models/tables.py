"""The tables of the index of events, the same in SQLite and in PostgreSQL."""

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

_metadata = MetaData()
_VERSION = 2
"""Of the tables below: raise it with them, and those of another version are made anew, and filled from the log."""

_Text = String().with_variant(String(collation="C"), "postgresql")
"""In the order of its bytes, wherever it is."""

EVENTS = Table(
    "event_index",
    _metadata,
    Column("id", _Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the event's own time, microseconds
    Column("recorded_ms", BigInteger, nullable=False),  # the record's, by which events grow old
    Column("event_type", _Text, nullable=False),
    Column("topic", _Text, nullable=False),
    Column("aggregate_id", _Text),
    Column("aggregate_type", _Text),
    Column("version", BigInteger),
    Column("correlation_id", _Text),
    Column("source", _Text),
    Column("value", LargeBinary, nullable=False),
)
COPIES = Table(  # where else an event stands than in its own topic
    "event_index_copies",
    _metadata,
    Column("id", _Text, ForeignKey(EVENTS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("topic", _Text, primary_key=True, index=True),
)
POSITIONS = Table(
    "event_index_positions",
    _metadata,
    Column("topic", _Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("mark", BigInteger, nullable=False),  # of the record before it: see `records.mark_of`
)
_FORMAT = Table("event_index_format", MetaData(), Column("version", Integer, nullable=False))

ATTRIBUTES = ("correlation_id", "aggregate_id", "version", "source", "aggregate_type")
"""Each with an index of its own; the fewer events one names, as a rule, the earlier it stands."""


def index_of(name: str) -> str:
    """What the index that begins with this column is called."""
    return f"event_index_by_{name}"


_order = (EVENTS.c.at, EVENTS.c.id)
Index(index_of("recorded_ms"), EVENTS.c.recorded_ms, EVENTS.c.id)
Index(index_of("at"), *_order, EVENTS.c.event_type, EVENTS.c.topic)
Index(index_of("topic"), EVENTS.c.topic, *_order, EVENTS.c.event_type)
Index(index_of("event_type"), EVENTS.c.event_type, *_order, EVENTS.c.topic)
for _name in ATTRIBUTES:
    _there = EVENTS.c[_name].is_not(None)
    Index(index_of(_name), EVENTS.c[_name], *_order, sqlite_where=_there, postgresql_where=_there)


class OfNewerVersion(Exception):
    """Another Sluice made them, for whom this one is too old."""


def make_tables(connection: Connection) -> None:
    """Those that are missing; where there are some of an older version, all of them anew. Nobody else may be at it.

    Raises OfNewerVersion.
    """
    _FORMAT.create(connection, checkfirst=True)
    found = connection.execute(_FORMAT.select()).scalars().all()
    if found == [_VERSION]:
        return
    if max(found, default=0) > _VERSION:
        raise OfNewerVersion
    _metadata.drop_all(connection)
    connection.execute(_FORMAT.delete())
    _metadata.create_all(connection)
    connection.execute(_FORMAT.insert(), {"version": _VERSION})
