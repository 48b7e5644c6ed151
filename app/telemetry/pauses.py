"""Watches what holds up the whole process: an event loop that comes late, and Python's garbage collector."""

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any

from app.telemetry.metrics.process import ProcessMetrics

INTERVAL_SECONDS = 0.25


class Pauses:
    """From `start` to `stop`, in the running loop; `monotonic` is the clock."""

    def __init__(self, metrics: ProcessMetrics, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._task: asyncio.Task[None] | None = None
        self._collecting_since = 0.0
        self._collected = 0.0

    def start(self) -> None:
        gc.callbacks.append(self._collecting)
        self._task = asyncio.create_task(self._watch(), name="pauses")

    async def stop(self) -> None:
        if self._task is not None:
            gc.callbacks.remove(self._collecting)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            due = self._monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            self._metrics.loop_lag.observe(max(0.0, self._monotonic() - due))
            collected, self._collected = self._collected, 0.0
            self._metrics.gc_pauses.inc(collected)

    def _collecting(self, phase: str, _info: dict[str, Any]) -> None:
        """Adds to a number only: the metric has a lock, which whoever is interrupted here may hold."""
        if phase == "start":
            self._collecting_since = self._monotonic()
        else:
            self._collected += self._monotonic() - self._collecting_since
