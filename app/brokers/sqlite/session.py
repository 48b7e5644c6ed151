"""The writing connection: transactions whose end is known, and checkpoints."""

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

from app.brokers.sqlite.schema import open_writer, truncate_wal

# Pages of 4 KiB in the WAL: from the first number on they are brought into the main file between transactions, from
# the second on readers are waited for so that the WAL starts over.
CHECKPOINT_PAGES = 1_000
RESTART_PAGES = 32_000


class TransactionFailed(Exception):
    """`in_doubt`: it may be in the file all the same; otherwise it is not, and never will be."""

    def __init__(self, cause: apsw.Error, *, full: bool, in_doubt: bool) -> None:
        super().__init__(str(cause))
        self.full = full
        self.locked = isinstance(cause, apsw.BusyError)
        self.in_doubt = in_doubt


class Session:
    """Not thread-safe: the writer thread's own, once it runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: apsw.Connection | None = None
        self._wal_pages = 0
        self._restart_at = RESTART_PAGES

    @property
    def connected(self) -> bool:
        return self._db is not None

    def open(self) -> apsw.Connection:
        """The first time; makes the file where there is none. Raises apsw.Error, NotOurs."""
        db = self._connect(create=True)
        with suppress(apsw.FullError, apsw.BusyError):
            truncate_wal(db)  # what a killed process left must be on disk before it is called a duplicate
        return db

    def reopen(self) -> apsw.Connection:
        """Once it has closed itself: what can be read afterwards is on disk, what can't be is gone for good.

        A commit that failed may stand in the WAL unknown to its index, and would come back with the next recovery:
        only a truncated WAL settles it. Raises apsw.Error, NotOurs.
        """
        db = self._connect(create=False)
        try:
            truncate_wal(db)
        except apsw.Error:
            self.close()
            raise
        return db

    def transact(self, work: Callable[[apsw.Connection], None]) -> None:
        """Run `work` in a transaction; it is durable on return. Raises TransactionFailed, what `work` raises.

        After an error that is not about space or locks the connection is closed: its caches may not be what is on disk.
        """
        db = self._db
        if db is None:
            raise TransactionFailed(apsw.ConnectionClosedError("it is not open"), full=False, in_doubt=False)
        committing = False
        try:
            db.execute("BEGIN IMMEDIATE")
            work(db)
            committing = True
            db.execute("COMMIT")
        except apsw.Error as error:
            full = isinstance(error, apsw.FullError) or db.system_errno in (errno.ENOSPC, errno.EDQUOT)
            harmless = isinstance(error, apsw.FullError | apsw.BusyError) and _rolls_back(db)
            if not harmless:
                self.close()
            raise TransactionFailed(error, full=full, in_doubt=committing and not harmless) from error
        except BaseException:
            if not _rolls_back(db):
                self.close()
            raise

    def checkpoint(self) -> None:
        """Bring the WAL into the main file when it has grown enough."""
        if self._db is None or self._wal_pages < CHECKPOINT_PAGES:
            return
        restart = self._wal_pages >= self._restart_at
        self._restart_at = self._wal_pages + RESTART_PAGES if restart else RESTART_PAGES
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.FullError, apsw.BusyError):
            pass  # everything stays in the WAL, where it is as durable
        except apsw.Error:
            self.close()
        self._wal_pages = 0  # until the next commit tells

    def finish(self) -> None:
        """Bring everything into the main file, as far as it can be, and close."""
        if self._db is not None:
            with suppress(apsw.Error):
                truncate_wal(self._db)
        self.close()

    def close(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            with suppress(apsw.Error):
                db.close()

    def _connect(self, *, create: bool) -> apsw.Connection:
        self._db = db = open_writer(self._path, create=create)
        db.set_wal_hook(self._count_wal)
        return db

    def _count_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK


def _rolls_back(db: apsw.Connection) -> bool:
    with suppress(apsw.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")
        return not db.in_transaction
    return False
