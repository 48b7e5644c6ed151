"""The index of events, where `DATABASE_URL` names a database."""

import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from app.broker import Log
from app.errors import ResourceUnavailable
from app.event_index import EventIndex
from app.settings import Settings

_READERS = 2


@asynccontextmanager
async def open_index(settings: Settings, log: Log) -> AsyncIterator[EventIndex | None]:
    """The index, which follows the log until the end; None where it is off. Raises ResourceUnavailable."""
    if settings.database is None:
        yield None
        return
    # SQLAlchemy takes 11 MiB, which a gateway without an index does without.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from app.read_models.events import EventTable, Keep  # noqa: PLC0415
    from app.read_models.index import SqlEventIndex  # noqa: PLC0415
    from app.read_models.projector import Projector  # noqa: PLC0415
    from app.read_models.tables import open_database  # noqa: PLC0415

    try:
        engine = open_database(settings.database)
    except (OSError, SQLAlchemyError) as error:
        raise ResourceUnavailable(f"DATABASE_URL: the database can't be opened: {type(error).__name__}") from None
    topics = settings.indexed_topics
    table = EventTable(engine, Keep(settings.event_index_max_events, settings.event_index_max_age_secs * 1000))
    with (
        ThreadPoolExecutor(1, thread_name_prefix="index-writer") as writer,
        ThreadPoolExecutor(_READERS, thread_name_prefix="index-reader") as readers,
    ):
        projector = Projector(log, table, writer, topics=topics, clock=time.time)
        projector.start()
        try:
            wait = settings.event_index_wait_ms / 1000
            yield SqlEventIndex(log, table, projector, readers, topics=topics, wait=wait)
        finally:
            await projector.stop()
    engine.dispose()
