"""The gateway's link to its log: opened in the background until it holds, then watched."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception_type

from app.broker import Log
from app.deadline import Deadlines
from app.errors import Disconnected, SluiceError
from app.gateway.catalog import Catalog
from app.resilience.backoff import Backoff
from app.telemetry.connection import ConnectionStatus

_START_SECONDS = 60.0


class Link:
    """Whether the log is open, set up and answering."""

    def __init__(
        self,
        log: Log,
        catalog: Catalog,
        *,
        status: ConnectionStatus,
        probe_interval: float,
        backoff: Backoff,
    ) -> None:
        self._broker = log
        self._catalog = catalog
        self._status = status
        self._probe_interval = probe_interval
        self._backoff = backoff
        self._task: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self._set_up = False

    @property
    def connected(self) -> bool:
        """Whether the log answers, and holds what the gateway needs to begin with."""
        return self._set_up and self._status.connected

    async def start(self, patience: float) -> None:
        """Return after the first attempt, or after `patience` seconds while it goes on in the background.

        Raises ResourceUnavailable when the log can never be had.
        """
        self._task = asyncio.create_task(self._hold(), name="link")
        first_try = asyncio.ensure_future(self._first_try.wait())
        await asyncio.wait({self._task, first_try}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        first_try.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """End the watch and close the log."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._broker.close()

    async def _hold(self) -> None:
        retrying = AsyncRetrying(retry=retry_if_exception_type(SluiceError), wait=self._backoff, sleep=asyncio.sleep)
        await retrying(self._try, self._open)
        while True:
            await asyncio.sleep(self._probe_interval)
            with contextlib.suppress(SluiceError):
                await self._try(self._probe)

    async def _open(self) -> None:
        await self._broker.open()
        deadlines = Deadlines()
        deadline = deadlines.start(_START_SECONDS)
        try:
            await deadline.run(self._catalog.start(deadline))
        finally:
            deadlines.end(deadline)
        self._set_up = True

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(self._probe_interval):
                await self._broker.ping()
        except TimeoutError:
            raise Disconnected("the broker does not answer") from None

    async def _try(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except SluiceError as error:
            self._status.tell(connected=False, reason=error.message)
            raise
        else:
            self._status.tell(connected=True)
        finally:
            self._first_try.set()
