"""The index of events: how fast it follows records, and how fast it answers over a million of them."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

import msgspec

from app.brokers.memory import MemoryBroker
from app.deadline import Deadline
from app.event import microseconds
from app.event_index import EventQuery
from app.read_models.database import sqlite_database
from app.read_models.events import EventTable, Keep
from app.read_models.projector import Projector
from app.read_models.records import row_of
from app.read_models.source import Source
from app.record import NewRecord, Record
from app.topic import TopicSpec

Figures = dict[str, float]

_EVENTS = 1_000_000
_FOLLOWED = 100_000
_PAGE = 2000
_TYPES = 20
_START = datetime(2026, 1, 1, tzinfo=UTC)
_QUERIES = 300
_TOPIC = "bench.events"


class Indexed:
    """A table with a million events, filled once; each round asks it, and follows a new log into a new one."""

    title = "The index of events"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._random = Random(17)
        self._table = EventTable(sqlite_database(folder / "million.db"), Keep(0, 0))
        self._table.prepare()
        self._some: list[str] = []
        for first in range(0, _EVENTS, _PAGE):
            values = [self._value(first + n) for n in range(_PAGE)]
            rows = [row_of(_TOPIC, Record(first + n, 0, None, value)) for n, value in enumerate(values)]
            self._table.apply([row for row in rows if row], {}, 0)
            self._some.append(rows[0]["id"] if rows[0] else "")

    def _value(self, second: int) -> bytes:
        return msgspec.json.encode(
            {
                "id": str(uuid.UUID(int=self._random.getrandbits(128))),
                "event_type": f"type.{self._random.randrange(_TYPES)}",
                "timestamp": _START + timedelta(seconds=second),
                "payload": {"type": "Generic", "data": {"note": "x" * 100}},
                "aggregate_id": f"a-{self._random.randrange(50_000)}",
            }
        )

    def one_round(self, _seconds: float) -> Figures:
        pages, single = [], []
        for _ in range(_QUERIES):
            start = _START + timedelta(seconds=self._random.randrange(_EVENTS // 2))
            kind = f"type.{self._random.randrange(_TYPES)}"
            query = EventQuery(event_type=kind, start=microseconds(start), end=microseconds(start) + 10**11)
            began = time.perf_counter()
            assert len(self._table.find(query, None)) == 101
            pages.append(time.perf_counter() - began)
            event_id = self._random.choice(self._some)
            began = time.perf_counter()
            assert self._table.get(event_id, None)
            single.append(time.perf_counter() - began)
        return {
            "events followed a second": asyncio.run(self._follow()),
            "type and time, 100 rows, p50 ms": median(pages) * 1000,
            "by id, p50 ms": median(single) * 1000,
        }

    async def _follow(self) -> float:
        log = MemoryBroker(clock=time.time, retention_interval=30, dedupe_window_secs=0, dedupe_max_ids=1)
        await log.open()
        await log.create(TopicSpec(_TOPIC, 1, {}))
        for first in range(0, _FOLLOWED, _PAGE):
            records = [NewRecord(0, self._value(first + n), int(time.time() * 1000)) for n in range(_PAGE)]
            deadline = Deadline(30)
            await log.publish(_TOPIC, records, deadline)
            deadline.close()
        database = sqlite_database(self._folder / f"{uuid.uuid4()}.db")
        with ThreadPoolExecutor(1) as writer:
            table = EventTable(database, Keep(0, 0))
            projector = Projector(Source(log, [_TOPIC]), table, writer, clock=time.time)
            began = time.perf_counter()
            await projector.start(30)
            assert await projector.caught_up({(_TOPIC, 0): _FOLLOWED}, 300) == 0
            took = time.perf_counter() - began
            await projector.stop()
        database.close()
        await log.close()
        return _FOLLOWED / took


@contextmanager
def index() -> Iterator[Indexed]:
    with tempfile.TemporaryDirectory() as name:
        yield Indexed(Path(name))
