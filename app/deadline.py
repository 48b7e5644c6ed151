"""The moment by which a request must be answered. It can be brought forward when the gateway stops."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from app.errors import NOT_WRITTEN, DeadlineExceeded, OutcomeName, ShuttingDown, SluiceError

T = TypeVar("T")

STEP = 0.02
"""Seconds by which a wait may outlast its deadline."""


class Awaited(Protocol):
    """What somebody waits for, as a future tells it."""

    def done(self) -> bool: ...

    def add_done_callback(self, listener: Callable[[Any], object], /) -> None:
        """Called once it is done, at once or in the loop's next turn."""
        ...

    def remove_done_callback(self, listener: Callable[[Any], object], /) -> object: ...


class Alarms:
    """Ends what waits for deadlines on the running loop. Those that come within one step share a timer.

    A timer for each request cost as much as all the rest of its deadline.
    """

    __slots__ = ("_due", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._due: dict[int, set[Deadline]] = {}

    def set(self, deadline: "Deadline", at: float) -> "set[Deadline]":
        """End its waits at this time, or up to a step later, unless it is taken out of what is answered by then."""
        step = int(at / STEP) + 1
        due = self._due.get(step)
        if due is None:
            due = self._due[step] = set()
            self.loop.call_at(step * STEP, self._ring, step)
        due.add(deadline)
        return due

    def _ring(self, step: int) -> None:
        for deadline in self._due.pop(step):
            deadline.end_waits()


class Deadline:
    """A point in time of the running loop's clock, `seconds` from now, that many waits share.

    Not for use from other threads. `close` it when the request is answered.
    """

    __slots__ = ("_alarms", "_at", "_due", "_limits", "_over", "_stopping", "_waiters")

    def __init__(self, seconds: float, alarms: Alarms | None = None) -> None:
        self._alarms = alarms or Alarms()
        self._at = self._alarms.loop.time() + seconds
        self._due: set[Deadline] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._limits: list[asyncio.Timeout] = []
        self._over = False
        self._stopping = False

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._at - self._alarms.loop.time())

    def bring_forward(self) -> None:
        """The gateway stops: everything that still waits is over now, as ShuttingDown."""
        self._stopping = True
        self._at = self._alarms.loop.time()
        self.end_waits()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self._at)

    async def wait(self, future: "Awaited") -> bool:
        """Wait until it is done or the deadline has come; True when it is done. Cancels nothing."""
        if future.done() or self._over:
            return future.done()
        waiter = self._alarms.loop.create_future()
        wake = partial(_wake, waiter)
        future.add_done_callback(wake)
        self._waiters.append(waiter)
        if self._due is None:
            self._due = self._alarms.set(self, self._at)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
            if not (done := future.done()):
                future.remove_done_callback(wake)
        return done

    async def run(self, work: Awaitable[T], *, outcome: OutcomeName = NOT_WRITTEN) -> T:
        """What `work` returns or raises; if it takes too long it is cancelled: DeadlineExceeded or ShuttingDown."""
        limit = asyncio.timeout_at(self._at)
        self._limits.append(limit)
        try:
            async with limit:
                return await work
        except TimeoutError:
            if limit.expired():
                raise self.error(outcome) from None
            raise
        finally:
            self._limits.remove(limit)

    def error(self, outcome: OutcomeName = NOT_WRITTEN) -> SluiceError:
        """What to raise, or to report for a record, once the deadline has come."""
        if self._stopping:
            return ShuttingDown("the gateway is shutting down; send it again to another one", outcome=outcome)
        return DeadlineExceeded("no answer within the deadline of this request", outcome=outcome)

    def close(self) -> None:
        """It has nothing to end any more."""
        if self._due is not None:
            self._due.discard(self)
            if not self._due:
                self._due.clear()  # else it keeps the memory of the most there were until they would have come

    def end_waits(self) -> None:
        """The deadline has come."""
        self._over = True
        for waiter in self._waiters:
            _wake(waiter)


class Deadlines:
    """All open deadlines of one gateway, so that a stop can end what still waits."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._alarms: Alarms | None = None
        self._none_left: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def start(self, seconds: float) -> Deadline:
        if self._alarms is None:
            self._alarms = Alarms()
        deadline = Deadline(seconds, self._alarms)
        self._open.add(deadline)
        return deadline

    def end(self, deadline: Deadline) -> None:
        deadline.close()
        self._open.discard(deadline)
        if self._none_left is not None and not self._open and not self._none_left.done():
            self._none_left.set_result(None)

    async def wait_for_none(self, seconds: float) -> None:
        """Return when no deadline is open any more, or after `seconds`."""
        if self._open:
            self._none_left = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._none_left}, timeout=seconds)

    def bring_all_forward(self) -> int:
        """End every wait now; answers how many there were."""
        for deadline in self._open:
            deadline.bring_forward()
        return len(self._open)


def _wake(waiter: "asyncio.Future[None]", _done: object = None) -> None:
    if not waiter.done():
        waiter.set_result(None)


Clock = Callable[[], float]
"""Seconds since the epoch. Passed in, so that logic never reads the wall clock itself."""
