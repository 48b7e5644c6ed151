"""The moment by which a request must be answered. It can be brought forward when the gateway stops."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct, field

from app.errors import NOT_WRITTEN, DeadlineExceeded, OutcomeName, ShuttingDown, SluiceError

T = TypeVar("T")

STEP = 0.02
"""Seconds by which a wait may outlast its deadline."""


class Deadline(Struct, eq=False):
    """A point in time of the running loop's clock that many waits share. Not for use from other threads.

    `Deadlines` start it, and end it when the request is answered.
    """

    loop: asyncio.AbstractEventLoop
    at: float
    due: "set[Deadline]"
    """All that come when it does."""

    _ends: list[Callable[["Deadline"], object]] = field(default_factory=list)
    _limits: list[asyncio.Timeout] = field(default_factory=list)
    _over: bool = False
    _stopping: bool = False

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - self.loop.time())

    def bring_forward(self) -> None:
        """The gateway stops: everything that still waits is over now, as ShuttingDown."""
        self._stopping = True
        self.at = self.loop.time()
        self.end_waits()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self.at)

    def when_over(self, end: "Callable[[Deadline], object]") -> None:
        """Call `end` when the deadline has come: at once if it has, never if the request is answered before."""
        if self._over:
            end(self)
        else:
            self._ends.append(end)

    async def wait(self, future: "asyncio.Future[Any]") -> bool:
        """Wait until it is done or the deadline has come; True when it is done. Cancels nothing."""
        if future.done() or self._over:
            return future.done()
        waiter = self.loop.create_future()
        wake = partial(_wake, waiter)
        future.add_done_callback(wake)
        self.when_over(wake)
        try:
            await waiter
        finally:
            future.remove_done_callback(wake)
        return future.done()

    async def run(self, work: Awaitable[T], *, outcome: OutcomeName = NOT_WRITTEN) -> T:
        """What `work` returns or raises; if it takes too long it is cancelled: DeadlineExceeded or ShuttingDown."""
        limit = asyncio.timeout_at(self.at)
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

    def end_waits(self) -> None:
        """The deadline has come."""
        self._over = True
        ends, self._ends = self._ends, []
        for end in ends:
            end(self)


class Deadlines:
    """All open deadlines of one gateway, so that a stop can end what still waits. For one loop.

    Those that come within one step share a timer: one for each request cost as much as all the rest of its deadline.
    """

    def __init__(self) -> None:
        self._open = 0
        self._due: dict[int, set[Deadline]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._none_left: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return self._open

    def start(self, seconds: float) -> Deadline:
        """One that comes so many seconds from now, or up to a step later."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        step = int(at / STEP) + 1
        due = self._due.get(step)
        if due is None:
            due = self._due[step] = set()
            loop.call_at(step * STEP, self._ring, step)
        deadline = Deadline(loop, at, due)
        due.add(deadline)
        self._open += 1
        return deadline

    def end(self, deadline: Deadline) -> None:
        """It has nothing to end any more."""
        self._open -= 1
        due = deadline.due
        due.discard(deadline)
        if not due:
            due.clear()  # else it keeps the memory of the most there were until they would have come
        if self._none_left is not None and not self._open and not self._none_left.done():
            self._none_left.set_result(None)

    async def wait_for_none(self, seconds: float) -> None:
        """Return when no deadline is open any more, or after `seconds`."""
        if self._open:
            self._none_left = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._none_left}, timeout=seconds)

    def bring_all_forward(self) -> int:
        """End every wait now; answers how many there were."""
        for due in self._due.values():
            for deadline in due:
                deadline.bring_forward()
        return self._open

    def _ring(self, step: int) -> None:
        for deadline in self._due.pop(step):
            deadline.end_waits()


def _wake(waiter: "asyncio.Future[None]", _done: object) -> None:
    if not waiter.done():
        waiter.set_result(None)


Clock = Callable[[], float]
"""Seconds since the epoch. Passed in, so that logic never reads the wall clock itself."""
