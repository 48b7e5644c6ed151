"""The index of events, where `DATABASE_URL` names a database."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING

from app.broker import Log
from app.database_url import DatabaseUrl, PostgresUrl
from app.errors import ResourceUnavailable
from app.event_index import EventIndex
from app.settings import Settings
from app.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from app.read_models.database import Database
    from app.telemetry.tracing import Tracing

_READERS = 4
_FIRST_TRY_SECONDS = 5.0


@asynccontextmanager
async def open_index(
    settings: Settings, log: Log, metrics: Metrics, tracing: "Tracing | None"
) -> AsyncIterator[EventIndex | None]:
    """The index, which follows the log until the end; None where it is off. Raises ResourceUnavailable."""
    if settings.database is None:
        yield None
        return
    # SQLAlchemy takes 11 MiB, which a gateway without an index does without.
    from app.read_models.events import EventTable, Keep  # noqa: PLC0415
    from app.read_models.index import SqlEventIndex  # noqa: PLC0415
    from app.read_models.lease import Lease  # noqa: PLC0415
    from app.read_models.progress import InDatabase  # noqa: PLC0415
    from app.read_models.projector import Projector  # noqa: PLC0415
    from app.read_models.source import Source  # noqa: PLC0415

    topics, database = settings.indexed_topics, _open(settings.database)
    keep = Keep(settings.event_index_max_events, settings.event_index_max_age_secs * 1000)
    shared = isinstance(settings.database, PostgresUrl)
    table = EventTable(database, keep, Lease(f"{socket.gethostname()} {os.getpid()}") if shared else None)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="index-writer") as writer,
        ThreadPoolExecutor(_READERS, thread_name_prefix="index-reader") as readers,
        closing(database),
    ):
        applied = partial(tracing.received, reader="index") if tracing else None
        projector = Projector(Source(log, topics), table, writer, clock=time.time, applied=applied)
        positions = partial(asyncio.get_running_loop().run_in_executor, readers, table.positions)
        progress = InDatabase(positions) if shared else projector
        metrics.follow(metrics.index.lag, lambda: projector.lag)
        try:
            await projector.start(_FIRST_TRY_SECONDS)
            wait = settings.event_index_wait_ms / 1000
            yield SqlEventIndex(log, table, progress, readers, topics=topics, wait=wait)
        finally:
            await projector.stop()


def _open(url: DatabaseUrl) -> "Database":
    """A file has to be there now; a server may come later. Raises ResourceUnavailable."""
    from app.read_models.database import DatabaseAway, postgres_database, sqlite_database  # noqa: PLC0415

    if isinstance(url, PostgresUrl):
        return postgres_database(url, connections=_READERS + 1)
    try:
        database = sqlite_database(url.path)
        database.prepare()
    except (OSError, DatabaseAway) as error:
        reason = error.reason if isinstance(error, DatabaseAway) else error.strerror
        raise ResourceUnavailable(f"DATABASE_URL: the database can't be opened: {reason}") from None
    return database
