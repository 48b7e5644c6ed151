"""The one thread that writes: it commits everything that waits in one transaction, and answers only then.

After an error that may mean anything the file is opened anew and asked what became of the transaction.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import apsw

from app.brokers.sqlite.appends import Appends
from app.brokers.sqlite.catalog import Catalog
from app.brokers.sqlite.inbox import Inbox, Publish, Submission
from app.brokers.sqlite.schema import NotOurs
from app.brokers.sqlite.session import Session, TransactionFailed
from app.brokers.wakeups import PartitionKey
from app.deadline import Clock
from app.errors import NOT_WRITTEN, UNKNOWN, Disconnected, NotFound, OutcomeName, SendFailed, SluiceError, StorageFull
from app.record import Outcome
from app.telemetry.logs import get_logger

_log = get_logger(__name__)

Answers = list[tuple[Submission, Any]]
Pending = list[tuple[Submission, Callable[[], Any]]]
Wake = Callable[[Iterable[PartitionKey]], None]


Committed = Callable[[int, float], None]
"""Told, in the writer's thread, how many submissions a transaction took, and the seconds until it was on disk."""


def ignore(_submissions: int, _seconds: float) -> None:
    """For those who measure nothing."""


class Writer:
    """Serves `inbox` from `start` to `close`. `wake` is called on the loop with the partitions that grew."""

    def __init__(self, path: Path, catalog: Catalog, clock: Clock, wake: Wake, committed: Committed = ignore) -> None:
        self.inbox = Inbox()
        self._catalog = catalog
        self._clock = clock
        self._wake = wake
        self._committed = committed
        self._session = Session(path)
        self._doubtful: Appends | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> apsw.Connection:
        """The connection, for use before `start`. Raises apsw.Error, NotOurs."""
        return self._session.open()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = threading.Thread(target=self._run, args=(loop,), name="log-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, bring all of it into the main file, end the thread. Blocks; may be called again."""
        self.inbox.close()
        if self._thread is not None:
            self._thread.join()
        self._session.close()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._serve_inbox(loop)
        except Exception:  # noqa: BLE001 - whatever it was, nobody may be left waiting
            _log.critical("the log's writer died of a mistake of ours: nothing is written any more", exc_info=True)
            self._session.close()
            refusal = Disconnected("the log's writer has died; the gateway has to be started again")
            left: Answers = [(submission, refusal) for submission in self.inbox.abandon()]
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._settle, set(), left)

    def _serve_inbox(self, loop: asyncio.AbstractEventLoop) -> None:
        while group := self.inbox.take():
            touched, answers = self._answer(group)
            with suppress(RuntimeError):  # the loop is gone, and with it everybody who could be told
                loop.call_soon_threadsafe(self._settle, touched, answers)
            del group, answers  # while waiting for more
            self._session.checkpoint()
        self._session.finish()

    def _settle(self, touched: set[PartitionKey], answers: Answers) -> None:
        for submission, value in answers:
            if not submission.answer.done():
                submission.answer.set_result(value)
        self._wake(touched)

    def _answer(self, group: list[Submission]) -> tuple[set[PartitionKey], Answers]:
        try:
            return self._serve(group)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not leave everybody waiting
            self._session.close()
            refusal = SendFailed(f"the log could not finish this: {error!r}", outcome=UNKNOWN)
            return set(), [(submission, refusal) for submission in group]

    def _serve(self, group: list[Submission]) -> tuple[set[PartitionKey], Answers]:
        touched: set[PartitionKey] = set()
        if not self._session.connected:
            try:
                touched |= self._reconnect()
            except (apsw.Error, NotOurs) as error:
                refusal = Disconnected(f"the log file can't be opened: {error}")
                return set(), [(submission, refusal) for submission in group]
        appends = Appends(self._catalog, int(self._clock() * 1000))
        answers = self._transact(group, appends)
        return touched | appends.touched, answers

    def _transact(self, group: list[Submission], appends: Appends) -> Answers:
        pending: Pending = []

        def work(db: apsw.Connection) -> None:
            pending.extend((submission, _apply(db, submission, appends)) for submission in group)
            appends.write(db)

        started = perf_counter()
        try:
            self._session.transact(work)
        except TransactionFailed as error:
            return self._answer_failed(pending, group, appends, error)
        except Exception as error:  # noqa: BLE001 - a value that can't be stored must not end the thread
            return self._apart(group, appends, error)
        self._committed(len(group), perf_counter() - started)
        appends.land()
        return [(submission, done()) for submission, done in pending]

    def _apart(self, group: list[Submission], appends: Appends, error: Exception) -> Answers:
        """One of the group can't be written: only that one shall fail."""
        if len(group) == 1:
            return _refused(group, appends, SendFailed(f"it can't be written: {error!r}"))
        answers: Answers = []
        for submission in group:
            touched, answer = self._serve([submission])
            appends.touched |= touched
            answers += answer
        return answers

    def _answer_failed(
        self, pending: Pending, group: list[Submission], appends: Appends, error: TransactionFailed
    ) -> Answers:
        if not error.in_doubt:
            return _refused(group, appends, _refusal(error, NOT_WRITTEN))
        self._doubtful = appends
        try:
            self._reconnect()
        except (apsw.Error, NotOurs):
            return _refused(group, appends, _refusal(error, UNKNOWN))
        if appends.landed:
            return [(submission, done()) for submission, done in pending]
        return _refused(group, appends, _refusal(error, NOT_WRITTEN if appends.grew else UNKNOWN))

    def _reconnect(self) -> set[PartitionKey]:
        """Open the file again, and settle what was in doubt; answers the partitions that may have grown.

        Raises apsw.Error, NotOurs.
        """
        db = self._session.reopen()
        try:
            self._catalog.load(db)
            if self._doubtful is not None:
                self._doubtful.find_out(db)
        except apsw.Error:
            self._session.close()
            raise
        doubtful, self._doubtful = self._doubtful, None
        return doubtful.touched if doubtful else set()


def _apply(db: apsw.Connection, submission: Submission, appends: Appends) -> Callable[[], Any]:
    """Do it; the result comes after the commit."""
    try:
        if isinstance(submission, Publish):
            outcomes = appends.add(submission.topic, submission.records)
            return lambda: outcomes
        done = submission.work(db)
        return lambda: appends.touched.update(done())
    except SluiceError as error:
        refusal = error
        return lambda: refusal


def _refusal(error: TransactionFailed, outcome: OutcomeName) -> SluiceError:
    if error.full:
        return StorageFull("no space is left for the log", outcome=outcome)
    if error.locked:
        return Disconnected("another program holds the lock of the log file", outcome=outcome)
    return SendFailed(f"the log file can't be written: {error}", outcome=outcome)


def _refused(group: list[Submission], appends: Appends, refusal: SluiceError) -> Answers:
    return [(submission, _refused_one(submission, appends, refusal)) for submission in group]


def _refused_one(submission: Submission, appends: Appends, refusal: SluiceError) -> list[Outcome] | SluiceError:
    if not isinstance(submission, Publish):
        return refusal
    try:
        return appends.refused(submission.topic, submission.records, refusal)
    except NotFound as error:
        return error
