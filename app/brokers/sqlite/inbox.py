"""The queue between the event loop and the writer thread, and the handshake over what is in it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from app.brokers.wakeups import PartitionKey
from app.errors import Disconnected
from app.record import NewRecord

GROUP_BYTES = 4 << 20
GROUP_RECORDS = 20_000

Done = Callable[[], Iterable[PartitionKey]]
Work = Callable[[apsw.Connection], Done]
"""Runs in the writer's transaction; answers what to do once that is committed, which answers whose waiting reads are
to look again. Raises a SluiceError, if at all, before it writes: strangers may share the transaction."""


class _Submission:
    """Something for the writer. `answer` gets the result or the error, as a value: nobody may be left to hear it."""

    def __init__(self, answer: "asyncio.Future[Any]") -> None:
        self.answer = answer
        self.taken = False
        self.withdrawn = False

    def weigh(self) -> tuple[int, int]:
        """Records and bytes."""
        return 1, 0


class Publish(_Submission):
    """Records for one topic."""

    def __init__(self, answer: "asyncio.Future[Any]", topic: str, records: Sequence[NewRecord]) -> None:
        super().__init__(answer)
        self.topic = topic
        self.records = records

    def weigh(self) -> tuple[int, int]:
        return len(self.records), sum([len(record.value) for record in self.records if record.value])


class Job(_Submission):
    """Any other change; `alone` when it needs a transaction of its own."""

    def __init__(self, answer: "asyncio.Future[Any]", work: Work, *, alone: bool) -> None:
        super().__init__(answer)
        self.work = work
        self.alone = alone


Submission = Publish | Job


class Inbox:
    """First in, first out; `put` and `withdraw` for the loop, `take` for the writer. A submission is taken or
    withdrawn, never both."""

    def __init__(self) -> None:
        self._waiting: deque[Submission] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, submission: Submission) -> None:
        """Raises Disconnected once closed."""
        with self._changed:
            if self._closed:
                raise Disconnected("the log is closed")
            self._waiting.append(submission)
            self._changed.notify()

    def withdraw(self, submission: Submission) -> bool:
        """True when the writer has not taken it, and now never will."""
        with self._changed:
            submission.withdrawn = not submission.taken
            return submission.withdrawn

    def take(self) -> list[Submission]:
        """Wait for submissions; all that may share the next transaction, as many as fit. Nothing: closed and empty."""
        group: list[Submission] = []
        while not group and self._wait():
            group = self._gather()
        return group

    def close(self) -> None:
        """Take nothing more; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abandon(self) -> list[Submission]:
        """Close, and answer what nobody will take any more."""
        self.close()
        with self._changed:
            left = [submission for submission in self._waiting if not submission.withdrawn]
            self._waiting.clear()
        return left

    def _wait(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return bool(self._waiting)

    def _gather(self) -> list[Submission]:
        group: list[Submission] = []
        records = size = 0
        while records < GROUP_RECORDS and size < GROUP_BYTES and (submission := self._next(first=not group)):
            group.append(submission)
            more_records, more_size = submission.weigh()
            records, size = records + more_records, size + more_size
            if _alone(submission):
                break
        return group

    def _next(self, *, first: bool) -> Submission | None:
        with self._changed:
            while self._waiting:
                if _alone(self._waiting[0]) and not first:
                    return None
                submission = self._waiting.popleft()
                if not submission.withdrawn:
                    submission.taken = True
                    return submission
        return None


def _alone(submission: Submission) -> bool:
    return isinstance(submission, Job) and submission.alone
