"""Whether a topic in use is kept by one broker alone, on a cluster of several: looked at beside the requests."""

import asyncio
import contextlib

from app.broker import Log
from app.errors import SluiceError
from app.telemetry.logs import get_logger

MOST_TOPICS = 1000
"""Looked after at once; what is used while they are so many is looked at once some of them turn out to be none."""

_log = get_logger(__name__)


class Replication:
    """Looks every `interval` seconds at the topics that were sent to or polled; `always` counts as one of them."""

    def __init__(self, log: Log, *, interval: float, always: str) -> None:
        self._broker = log
        self._interval = interval
        self._always = always
        self._used: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.unreplicated: tuple[str, ...] = ()
        """Topics in use that are lost with one broker, though there are more; as they were at the last look."""

    def use(self, topic: str) -> None:
        """Somebody sends to this topic or polls it, if it exists."""
        if len(self._used) < MOST_TOPICS:
            self._used.add(topic)

    def start(self) -> None:
        self._task = asyncio.create_task(self._forever(), name="replication")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Raises what asking the broker raises: then all stays as it was."""
        several = await self._broker.nodes() > 1
        infos = await self._broker.describe_many(sorted({*self._used, self._always})) if several else []
        if several:
            self._used = {info.name for info in infos}
        found = tuple(info.name for info in infos if any(len(p.replicas) == 1 for p in info.partitions))
        if found != self.unreplicated:
            tell = _log.warning if found else _log.info
            tell("topics in use with a single replica", topics=list(found))
        self.unreplicated = found

    async def _forever(self) -> None:
        while True:
            with contextlib.suppress(SluiceError, TimeoutError):
                async with asyncio.timeout(max(self._interval, 1)):
                    await self.look()
            await asyncio.sleep(self._interval)
