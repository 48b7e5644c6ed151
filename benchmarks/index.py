"""The index of events: how fast it follows records, and how fast it answers over a million of them, also by HTTP."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlencode

import msgspec
import postgres_server

from app.broker_url import SqliteUrl
from app.brokers.memory import MemoryBroker
from app.database_url import parse_database_url
from app.deadline import Deadlines
from app.event import microseconds
from app.event_index import EventQuery
from app.read_models.database import Database, postgres_database, sqlite_database
from app.read_models.events import EventTable, Keep
from app.read_models.projector import Projector
from app.read_models.records import row_of
from app.read_models.source import Source
from app.record import NewRecord, Record
from app.topic import TopicSpec
from benchmarks import processes
from benchmarks.load import get
from benchmarks.requests import run

Figures = dict[str, float]

_EVENTS = 1_000_000
_FOLLOWED = 100_000
_PAGE = 2000
_TYPES = 20
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SPAN = timedelta(seconds=100_000)
_QUERIES = 300
_TOPIC = "bench.events"


class Indexed:
    """A table with a million events, filled once; each round asks it, and follows a new log into a new database."""

    def __init__(self, title: str, new_database: Callable[[], str]) -> None:
        self.title = title
        self.url = new_database()
        self._new_database = new_database
        self._random = Random(17)
        self._database = _open(self.url)
        self._table = EventTable(self._database, Keep(0, 0))
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

    def _question(self) -> tuple[str, datetime]:
        start = _START + timedelta(seconds=self._random.randrange(_EVENTS // 2))
        return f"type.{self._random.randrange(_TYPES)}", start

    def one_round(self, port: int, seconds: float) -> Figures:
        pages, single = [], []
        for _ in range(_QUERIES):
            kind, start = self._question()
            query = EventQuery(event_type=kind, start=microseconds(start), end=microseconds(start + _SPAN))
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
            "by HTTP: type and time, p50 ms": run(port, self._pages(), seconds, 1).percentile(0.5) * 1000,
            "by HTTP: by id, p50 ms": run(port, self._singles(), seconds, 1).percentile(0.5) * 1000,
        }

    def _pages(self) -> list[bytes]:
        asked = [self._question() for _ in range(_QUERIES)]
        return [
            get(f"/events?{urlencode({'type': kind, 'start': _text(start), 'end': _text(start + _SPAN)})}")
            for kind, start in asked
        ]

    def _singles(self) -> list[bytes]:
        return [get(f"/events/{self._random.choice(self._some)}") for _ in range(_QUERIES)]

    async def _follow(self) -> float:
        log = MemoryBroker(clock=time.time, retention_interval=30, dedupe_window_secs=0, dedupe_max_ids=1)
        await log.open()
        await log.create(TopicSpec(_TOPIC, 1, {}))
        for first in range(0, _FOLLOWED, _PAGE):
            records = [NewRecord.of(0, self._value(first + n), int(time.time() * 1000)) for n in range(_PAGE)]
            deadlines = Deadlines()
            deadline = deadlines.start(30)
            await log.publish(_TOPIC, records, deadline)
            deadlines.end(deadline)
        database = _open(self._new_database())
        with ThreadPoolExecutor(1) as writer:
            projector = Projector(Source(log, [_TOPIC]), EventTable(database, Keep(0, 0)), writer, clock=time.time)
            began = time.perf_counter()
            await projector.start(30)
            assert await projector.caught_up({(_TOPIC, 0): _FOLLOWED}, 300) == 0
            took = time.perf_counter() - began
            await projector.stop()
        database.close()
        await log.close()
        return _FOLLOWED / took


class Served:
    """The million behind a gateway."""

    def __init__(self, indexed: Indexed, port: int) -> None:
        self.title = indexed.title
        self._indexed = indexed
        self._port = port

    def one_round(self, seconds: float) -> Figures:
        return self._indexed.one_round(self._port, seconds)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _open(url: str) -> Database:
    parsed = parse_database_url(url)
    made = sqlite_database(parsed.path) if isinstance(parsed, SqliteUrl) else postgres_database(parsed, connections=5)
    made.prepare()
    return made


@contextmanager
def _served(folder: Path, indexed: Indexed) -> Iterator[Served]:
    settings = {"BROKER_URL": "memory://", "DATABASE_URL": indexed.url, "EVENT_INDEX_TOPICS": _TOPIC}
    with processes.gateway(folder, **settings) as (port, _):
        yield Served(indexed, port)


@contextmanager
def index() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as name:
        indexed = Indexed("The index of events, in SQLite", lambda: f"sqlite:///{name}/{uuid.uuid4()}.db")
        with _served(Path(name), indexed) as served:
            yield served


@contextmanager
def index_postgres() -> Iterator[Served]:
    """Raises postgres_server.Unavailable."""
    with tempfile.TemporaryDirectory() as name, postgres_server.running(durable=True) as server:
        indexed = Indexed("The index of events, in PostgreSQL", server.new_database)
        server.sql("VACUUM ANALYZE", indexed.url.rpartition("/")[2])
        with _served(Path(name), indexed) as served:
            yield served
