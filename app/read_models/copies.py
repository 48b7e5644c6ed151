"""Events that stand in several topics: each belongs to the one it was read from first, as long as that is there."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, delete, exists, func, select, update

from app.read_models.tables import COPIES, EVENTS

_ASKED_AT_ONCE = 500


def note_copies(connection: Connection, insert: Executable, rows: Sequence[dict[str, Any]]) -> None:
    """Of rows that were to be added, remember the topics of those that are there from another one."""
    home: dict[str, str] = {}
    for first in range(0, len(rows), _ASKED_AT_ONCE):
        ids = [row["id"] for row in rows[first : first + _ASKED_AT_ONCE]]
        found = connection.execute(select(EVENTS.c.id, EVENTS.c.topic).where(EVENTS.c.id.in_(ids)))
        home.update((event_id, topic) for event_id, topic in found)
    copies = [{"id": row["id"], "topic": row["topic"]} for row in rows if home[row["id"]] != row["topic"]]
    if copies:
        connection.execute(insert, copies)


def leave_to_others(connection: Connection, topic: str) -> None:
    """The topic goes: those of its events that stand in another one belong to that."""
    connection.execute(delete(COPIES).where(COPIES.c.topic == topic))
    heir = select(func.min(COPIES.c.topic)).where(COPIES.c.id == EVENTS.c.id).scalar_subquery()
    theirs = EVENTS.c.id.in_(select(COPIES.c.id))
    connection.execute(update(EVENTS).where(EVENTS.c.topic == topic, theirs).values(topic=heir))
    at_home = exists().where(EVENTS.c.id == COPIES.c.id, EVENTS.c.topic == COPIES.c.topic)
    connection.execute(delete(COPIES).where(at_home))
