"""What is done again and again beside the requests."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from app.errors import SluiceError
from app.telemetry.logs import get_logger

_log = get_logger(__name__)


class Periodic:
    """Does `work` every `interval` seconds, the first time at once. What fails or takes too long is tried next time."""

    def __init__(self, work: Callable[[], Awaitable[None]], *, interval: float, name: str) -> None:
        self._work = work
        self._interval = interval
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._forever(), name=self._name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _forever(self) -> None:
        while True:
            await self._once()
            await asyncio.sleep(self._interval)

    async def _once(self) -> None:
        try:
            async with asyncio.timeout(max(self._interval, 1)):
                await self._work()
        except (SluiceError, TimeoutError):
            pass  # the log is away or slow, which the link tells of
        except Exception:  # noqa: BLE001  # a mistake of ours must end neither the next rounds nor the shutdown
            _log.exception("work beside the requests failed", work=self._name)
