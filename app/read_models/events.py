"""The index in its database. All of this blocks: `index` and `projector` call it in threads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from app.event_index import Bucket, Count, EventQuery, FoundEvent, Place
from app.read_models.copies import leave_to_others, note_copies
from app.read_models.database import Database
from app.read_models.lease import Lease
from app.read_models.progress import Partition, Progress
from app.read_models.statements import Topics, count_events, in_topics, select_events
from app.read_models.tables import COPIES, EVENTS, POSITIONS


class Keep(NamedTuple):
    """The most events, and the greatest age of a record in milliseconds; 0: no bound."""

    events: int
    age_ms: int


class EventTable:
    """Events and positions, in one database. Every call raises DatabaseAway where it does not answer.

    With a `lease` only who leads writes: `apply` and `forget` raise LeaseLost where somebody else does.
    """

    def __init__(self, database: Database, keep: Keep, lease: Lease | None = None) -> None:
        self._database = database
        self._keep = keep
        self._lease = lease
        self._count: int | None = None

    def prepare(self) -> None:
        """Make the tables, where they are missing, before anything else is asked."""
        self._database.prepare()

    def lead(self) -> bool:
        """Whether it is on us to write, from now on."""
        self._count = None
        if self._lease is None:
            return True
        with self._database.begin() as connection:
            return self._lease.take(connection)

    def resign(self) -> None:
        """Leave it to others, at once."""
        if self._lease is not None:
            with self._database.begin() as connection:
                self._lease.end(connection)

    def positions(self) -> dict[Partition, Progress]:
        with self._database.read() as connection:
            rows = connection.execute(select(POSITIONS)).all()
        return {(row.topic, row.partition): Progress(row.next_offset, row.mark) for row in rows}

    def apply(self, rows: Sequence[dict[str, Any]], moved: Mapping[Partition, Progress], now_ms: int) -> None:
        """Add the events whose ids are not there, and note how far the topics were read: both or neither."""
        with self._writing() as connection:
            added = self._add(connection, rows) if rows else 0
            if moved:
                self._move(connection, moved)
            left = self._trim(connection, added, now_ms)
        self._count = left

    def forget(self, topic: str) -> None:
        """Drop the topic's positions and its events; those that stand in another topic, too, belong to that one now."""
        with self._writing() as connection:
            leave_to_others(connection, topic)
            connection.execute(delete(EVENTS).where(EVENTS.c.topic == topic))
            connection.execute(delete(POSITIONS).where(POSITIONS.c.topic == topic))
        self._count = None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._database.begin() as connection:
            if self._lease is not None:
                self._lease.keep(connection)
            yield connection

    def _add(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
        statement = self._database.insert(EVENTS).on_conflict_do_nothing()
        added: int = connection.execute(statement.execution_options(preserve_rowcount=True), rows).rowcount
        if added < len(rows):
            note_copies(connection, self._database.insert(COPIES).on_conflict_do_nothing(), rows)
        return added

    def _move(self, connection: Connection, moved: Mapping[Partition, Progress]) -> None:
        statement = self._database.insert(POSITIONS)
        changed = {"next_offset": statement.excluded.next_offset, "mark": statement.excluded.mark}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=changed),
            [{"topic": t, "partition": p, **at._asdict()} for (t, p), at in moved.items()],
        )

    def _trim(self, connection: Connection, added: int, now_ms: int) -> int | None:
        """Keep to the bounds; answers how many events are left, None where nobody needs to know."""
        count = None if self._count is None else self._count + added
        if self._keep.age_ms:
            old = EVENTS.c.recorded_ms < now_ms - self._keep.age_ms
            if connection.execute(delete(EVENTS).where(old)).rowcount:
                count = None
        if not self._keep.events:
            return None
        if count is None:
            count = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
        if (over := count - self._keep.events) > 0:
            oldest = select(EVENTS.c.id).order_by(EVENTS.c.recorded_ms, EVENTS.c.id).limit(over)
            connection.execute(delete(EVENTS).where(EVENTS.c.id.in_(oldest)))
            return count - over
        return count

    def find(self, query: EventQuery, topics: Topics) -> list[FoundEvent]:
        """One page, and one event more where there is one."""
        with self._database.read() as connection:
            rows = connection.execute(select_events(query, topics)).all()
        return [FoundEvent(Place(row.at, row.id), row.value) for row in rows]

    def get(self, event_id: str, topics: Topics) -> bytes | None:
        statement = select(EVENTS.c.value).where(EVENTS.c.id == event_id, *in_topics(topics))
        with self._database.read() as connection:
            value: bytes | None = connection.execute(statement).scalar_one_or_none()
        return value

    def count(self, query: EventQuery, bucket: Bucket, topics: Topics) -> list[Count]:
        """At most `MOST_COUNTS` and one more, oldest first."""
        with self._database.read() as connection:
            found = connection.execute(count_events(query, bucket, topics))
            return [Count(row.start, row.event_type, row.number) for row in found]
