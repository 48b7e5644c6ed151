"""The database that the index of events is in: opened, and what its errors mean."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError

from app.database_url import PostgresUrl
from app.errors import ConfigError, Unavailable
from app.read_models.lease import make_lease
from app.read_models.tables import OfNewerVersion, make_tables

_SQLITE_SESSION = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # a killed process loses nothing; what a power cut takes is made again from the log
    "PRAGMA foreign_keys=ON",
)
_POSTGRES_SESSION = (
    "SET statement_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '10s'",  # of a process that hangs: its locks go to the next one
    "SET plan_cache_mode = force_custom_plan",  # filters differ too much for one plan
)
_NO_HURRY = "SET LOCAL statement_timeout = 0"  # a topic that goes may take millions of events along
_POSTGRES = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_LOCK = 0x51_0CE  # nobody else's, we hope: who makes tables does so alone


class DatabaseAway(Unavailable):
    """The database does not answer, or does not do what it is told; `reason` is for the log, never for a client."""

    def __init__(self, reason: str) -> None:
        super().__init__("the index of events can't be read now: its database is away")
        self.reason = reason


class Database:
    """Transactions on the one, and statements in its dialect. Safe from several threads, one of which may write."""

    def __init__(self, engine: Engine, prepare: Callable[[Connection], None], hide: Sequence[str] = ()) -> None:
        self._engine = engine
        self._reading = engine
        self._open: WeakSet[Any] = WeakSet()
        self._closed = False
        self._prepare = prepare
        self._hide = hide
        self.dialect = engine.dialect
        self._postgres = engine.name == "postgresql"
        if self._postgres:
            event.listen(engine, "connect", self._opened, insert=True)  # before anything is asked on it
            self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")  # two turns to the server fewer
        self.insert: Callable[[Table], Any] = (postgresql if self._postgres else sqlite).insert

    def prepare(self) -> None:
        """Make the tables where there are none. Raises DatabaseAway."""
        with self.begin() as connection:
            try:
                self._prepare(connection)
            except OfNewerVersion:
                raise DatabaseAway("its tables are of a newer version; it can be deleted, and is made again") from None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, committed at the end. Raises DatabaseAway."""
        with self._answering(), self._engine.begin() as connection:
            if self._postgres:
                connection.exec_driver_sql(_NO_HURRY)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Raises DatabaseAway."""
        with self._answering(), self._reading.connect() as connection:
            yield connection

    def close(self) -> None:
        """Threads that still wait for a server get DatabaseAway."""
        self._closed = True
        self._engine.dispose()
        for connection in list(self._open):
            with suppress(OSError, self._engine.dialect.loaded_dbapi.Error):
                _cut(connection)

    def _opened(self, connection: Any, _record: Any) -> None:
        self._open.add(connection)
        if self._closed:
            _cut(connection)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:  # also one that refuses what we ask of it: it lacks a right, or a table
            raise DatabaseAway(self._told(error)) from None

    def _told(self, error: DBAPIError) -> str:
        reason = next(iter(str(error.orig).splitlines()), type(error.orig).__name__)
        for secret in self._hide:
            reason = reason.replace(secret, "***")
        return reason


class _Hinted(SQLiteCompiler):
    """Takes hints, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def sqlite_database(path: Path) -> Database:
    """The database in this file; folders are made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    engine.dialect.statement_compiler = _Hinted
    event.listen(engine, "connect", partial(_set, statements=_SQLITE_SESSION))
    return Database(engine, make_tables)


def postgres_database(url: PostgresUrl, *, connections: int) -> Database:
    """The database on a server, which need not be there yet. Raises ConfigError for parameters that there are not."""
    where = URL.create(
        "postgresql+psycopg", url.username, url.password, url.host, url.port, url.database, query=url.options
    )
    settings = {**_POSTGRES, "application_name": "sluice", "client_encoding": "utf8"}
    _check_names(url.options)
    engine = create_engine(
        where,
        connect_args={name: value for name, value in settings.items() if name not in url.options},
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", partial(_set, statements=_POSTGRES_SESSION))
    secrets = (url.password, url.options.get("password"), url.options.get("sslpassword"))
    return Database(engine, _make_postgres_tables, hide=[secret for secret in secrets if secret])


def _check_names(options: Mapping[str, str]) -> None:
    from psycopg import ProgrammingError  # noqa: PLC0415  # SQLite does without it
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    try:
        make_conninfo(**dict.fromkeys(options, "x"))
    except ProgrammingError:
        raise ConfigError(
            "DATABASE_URL: the value given (not shown) has a parameter that libpq does not know"
        ) from None


def _cut(connection: Any) -> None:
    """A server that hangs would let its client wait for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _make_postgres_tables(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    if (encoding := connection.exec_driver_sql("SHOW server_encoding").scalar_one()) != "UTF8":
        raise DatabaseAway(f"its encoding is {encoding}: only in UTF8 it can hold every text")
    make_lease(connection)
    make_tables(connection)


def _set(connection: Any, _record: Any, *, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement)
    connection.commit()
