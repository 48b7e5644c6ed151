"""The file: its tables, its pragmas, and how connections to it are opened."""

import contextlib
import sys
from pathlib import Path

import apsw

APPLICATION_ID = 0x536C7563  # "Sluc"
VERSION = 1
BUSY_MS = 2000
WAL_LIMIT = 64 << 20

_TABLES = """
CREATE TABLE topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    configs TEXT NOT NULL
) STRICT;
CREATE TABLE partition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL REFERENCES topic,
    number INTEGER NOT NULL,
    log_start INTEGER NOT NULL DEFAULT 0,
    next_offset INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
) STRICT;
CREATE TABLE batch (
    partition INTEGER NOT NULL,
    base_offset INTEGER NOT NULL,
    count INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (partition, base_offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE committed (
    topic INTEGER NOT NULL REFERENCES topic,
    consumer_group TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, consumer_group, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (partition INTEGER PRIMARY KEY) STRICT;
"""


class NotOurs(Exception):
    """The file holds something else, or a newer form of a log; the text says which."""


def open_writer(path: Path, *, create: bool) -> apsw.Connection:
    """The one connection that writes, and the only one that checkpoints; a new file gets its tables.

    Raises NotOurs before anything in a foreign file is changed, apsw.Error.
    """
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0))
    try:
        db.set_busy_timeout(BUSY_MS)
        fresh = _is_fresh(db)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}; PRAGMA cache_size = -8000")
        if sys.platform == "darwin":
            db.execute("PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1")
        db.wal_autocheckpoint(0)
        if fresh:
            _create(db)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> apsw.Connection:
    """A connection that can only read and never checkpoints. Raises apsw.Error."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA query_only = 1")
    db.wal_autocheckpoint(0)
    return db


def truncate_wal(db: apsw.Connection) -> None:
    """Bring everything into the main file, on disk, and forget what else stands in the WAL. Raises apsw.Error."""
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _is_fresh(db: apsw.Connection) -> bool:
    application, version = db.pragma("application_id"), db.pragma("user_version")
    if application == 0 and db.execute("SELECT count(*) FROM sqlite_schema").get == 0:
        return True
    if application != APPLICATION_ID:
        raise NotOurs("it is an SQLite database, but not a log of this gateway")
    if version > VERSION:
        raise NotOurs(f"it was written by a newer gateway (format {version}, this one reads up to {VERSION})")
    return False


def _create(db: apsw.Connection) -> None:
    with contextlib.closing(db.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute(_TABLES)
        cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT")
