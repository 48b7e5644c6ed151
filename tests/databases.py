"""Databases of both kinds for tests, and rows to put into them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.broker_url import SqliteUrl
from app.database_url import parse_database_url
from app.read_models.database import Database, postgres_database, sqlite_database


@contextmanager
def open_database(url: str) -> Iterator[Database]:
    """With its tables."""
    parsed = parse_database_url(url)
    made = sqlite_database(parsed.path) if isinstance(parsed, SqliteUrl) else postgres_database(parsed, connections=5)
    try:
        made.prepare()
        yield made
    finally:
        made.close()


def row(event_id: str | None = None, *, at: int = 0, recorded_ms: int = 0, **columns) -> dict[str, Any]:
    optional = dict.fromkeys(("aggregate_id", "aggregate_type", "version", "correlation_id", "source"))
    fixed = {"id": event_id or str(uuid.uuid4()), "at": at, "recorded_ms": recorded_ms, "value": b"{}"}
    return fixed | {"event_type": "t", "topic": "s.t"} | optional | columns
