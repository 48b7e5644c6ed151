"""The moment by which a request must be answered. It can be brought forward when the gateway stops."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.errors import NOT_WRITTEN, DeadlineExceeded, OutcomeName, ShuttingDown, SluiceError

T = TypeVar("T")


class Deadline:
    """A point in time of the running loop's clock, `seconds` from now, that many waits share.

    Not for use from other threads. `close` it when the request is answered.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds
        self._reached: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._at - self._loop.time())

    def bring_forward(self) -> None:
        """The gateway stops: everything that still waits is over now, as ShuttingDown."""
        self._stopping = True
        self._at = self._loop.time()
        self._reach()

    async def wait(self, *futures: "asyncio.Future[Any]") -> bool:
        """Wait until one of the futures is done or the deadline has come; True when one is done. Cancels nothing."""
        if not any(future.done() for future in futures):
            await asyncio.wait({*futures, self._moment()}, return_when=asyncio.FIRST_COMPLETED)
        return any(future.done() for future in futures)

    async def run(self, work: Awaitable[T], *, outcome: OutcomeName = NOT_WRITTEN) -> T:
        """What `work` returns or raises; if it takes too long it is cancelled: DeadlineExceeded or ShuttingDown."""
        task = asyncio.ensure_future(work)
        try:
            if await self.wait(task):
                return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        raise self.error(outcome)

    def error(self, outcome: OutcomeName = NOT_WRITTEN) -> SluiceError:
        """What to raise, or to report for a record, once the deadline has come."""
        if self._stopping:
            return ShuttingDown("the gateway is shutting down; send it again to another one", outcome=outcome)
        return DeadlineExceeded("no answer within the deadline of this request", outcome=outcome)

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _moment(self) -> "asyncio.Future[None]":
        if self._reached is None:
            self._reached = self._loop.create_future()
            self._timer = self._loop.call_at(self._at, self._reach)
        return self._reached

    def _reach(self) -> None:
        if self._reached is not None and not self._reached.done():
            self._reached.set_result(None)


class Deadlines:
    """All open deadlines of one gateway, so that a stop can end what still waits."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._none_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def start(self, seconds: float) -> Deadline:
        deadline = Deadline(seconds)
        self._open.add(deadline)
        self._none_left.clear()
        return deadline

    def end(self, deadline: Deadline) -> None:
        deadline.close()
        self._open.discard(deadline)
        if not self._open:
            self._none_left.set()

    async def wait_for_none(self, seconds: float) -> None:
        """Return when no deadline is open any more, or after `seconds`."""
        if self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._none_left.wait(), seconds)

    def bring_all_forward(self) -> int:
        """End every wait now; answers how many there were."""
        for deadline in self._open:
            deadline.bring_forward()
        return len(self._open)


Clock = Callable[[], float]
"""Seconds since the epoch. Passed in, so that logic never reads the wall clock itself."""
