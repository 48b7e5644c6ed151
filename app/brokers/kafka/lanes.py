"""Connections on which reads may wait. A waiting read fills its connection, so each has one to itself."""

import asyncio
from typing import Any

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.internals import Request
from app.errors import PollFailed


class WaitingLanes:
    """At most `count` connections to each node; whoever finds none free does without."""

    def __init__(self, connection: Connection, count: int) -> None:
        self._connection = connection
        self._free: dict[int, list[str]] = {}
        self._count = count
        self._tasks: set[asyncio.Task[Any]] = set()

    def free(self, node: int) -> bool:
        return bool(self._lanes(node))

    async def send(self, node: int, request: Request) -> Any:
        """Send on a free lane. The lane is taken until the answer is there, even if the caller is cancelled."""
        lane = self._lanes(node).pop()
        task = asyncio.ensure_future(self._connection.send(node, request, lane=lane, otherwise=PollFailed))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(node, lane, task))
        await asyncio.wait({task})
        return task.result()

    def _lanes(self, node: int) -> list[str]:
        return self._free.setdefault(node, [f"wait-{number}" for number in range(self._count)])

    def _end(self, node: int, lane: str, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._free[node].append(lane)
        if not task.cancelled():
            task.exception()
