"""The gateway's link to its log: opened in the background until it holds, then watched."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from app.broker import Log
from app.deadline import Deadline
from app.errors import Disconnected, SluiceError
from app.gateway.catalog import Catalog
from app.telemetry.logs import get_logger
from app.telemetry.metrics import Metrics

_START_SECONDS = 60.0

_log = get_logger(__name__)


class Link:
    """Whether the log is open, set up and answering. Tells the metrics, and the log file on every change."""

    def __init__(
        self,
        log: Log,
        catalog: Catalog,
        *,
        metrics: Metrics,
        probe_interval: float,
        base_delay: float,
        max_delay: float,
    ) -> None:
        self._broker = log
        self._catalog = catalog
        self._metrics = metrics
        self._probe_interval = probe_interval
        self._delays = wait_random_exponential(multiplier=base_delay, max=max_delay)
        self._task: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self.connected = False
        self._metrics.connection_status.set(0)

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
        retrying = AsyncRetrying(retry=retry_if_exception_type(SluiceError), wait=self._delays, sleep=asyncio.sleep)
        await retrying(self._try, self._open)
        while True:
            await asyncio.sleep(self._probe_interval)
            with contextlib.suppress(SluiceError):
                await self._try(self._probe)

    async def _open(self) -> None:
        await self._broker.open()
        deadline = Deadline(_START_SECONDS)
        try:
            await deadline.run(self._catalog.start(deadline))
        finally:
            deadline.close()

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
            self._tell(connected=False, reason=error.message)
            raise
        else:
            self._tell(connected=True)
        finally:
            self._first_try.set()

    def _tell(self, *, connected: bool, reason: str | None = None) -> None:
        changed = connected != self.connected or not self._first_try.is_set()
        self.connected = connected
        self._metrics.connection_status.set(connected)
        if changed and connected:
            _log.info("broker connected", broker=self._broker.kind)
        elif changed:
            _log.warning("broker away", broker=self._broker.kind, reason=reason)
