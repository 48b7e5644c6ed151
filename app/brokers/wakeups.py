"""Waking the reads that wait at the end of a partition: waiting costs nothing, one write wakes all."""

import asyncio
from collections import defaultdict

PartitionKey = tuple[str, int]


class Wakeups:
    """One list of waiting reads a partition. For the tasks of one loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[PartitionKey, set[asyncio.Future[None]]] = defaultdict(set)

    async def wait(self, partition: PartitionKey, seconds: float) -> None:
        """Return after the partition's next `wake`, or after `seconds`."""
        woken = asyncio.get_running_loop().create_future()
        self._waiting[partition].add(woken)
        try:
            await asyncio.wait({woken}, timeout=seconds)
        finally:
            self._waiting[partition].discard(woken)
            if not self._waiting[partition]:
                del self._waiting[partition]

    def wake(self, partition: PartitionKey) -> None:
        """End all waits on this partition."""
        for woken in self._waiting.get(partition, ()):
            if not woken.done():
                woken.set_result(None)

    def wake_topic(self, topic: str) -> None:
        """End all waits on this topic: it is gone."""
        for partition in [key for key in self._waiting if key[0] == topic]:
            self.wake(partition)
