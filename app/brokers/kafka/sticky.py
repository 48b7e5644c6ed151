"""Where records go that have neither key nor partition: all that wait together to one partition, and so into one batch.

Kafka's own clients do the same (KIP-480). Spread over the partitions at once, they would make a batch for each, which
costs the gateway and the broker as much as a large one; over time each partition gets its share.
"""

from collections.abc import Mapping
from itertools import chain

from app.brokers.kafka.group_commit import GroupCommit


class Sticky:
    """Stays at a partition until that takes a batch, and leaves out those that are busy (KIP-794)."""

    def __init__(self, queues: Mapping[tuple[str, int], GroupCommit]) -> None:
        self._queues = queues
        self._at: dict[str, int] = {}

    def __call__(self, topic: str, partitions: int) -> int:
        """The partition, of so many; where all are busy, the one for which the least is waiting."""
        at = self._at.get(topic, 0)
        if at < partitions and not self._busy(topic, at):  # as nearly always
            return at
        self._at[topic] = at = self._next(topic, partitions, at % partitions)
        return at

    def took_batch(self, topic: str, partition: int) -> None:
        if self._at.get(topic, 0) == partition:
            self._at[topic] = partition + 1

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        self._at.pop(topic, None)

    def _next(self, topic: str, partitions: int, first: int) -> int:
        for partition in chain(range(first, partitions), range(first)):
            if not self._busy(topic, partition):
                return partition
        return min(range(partitions), key=lambda partition: self._queues[topic, partition].waiting_bytes)

    def _busy(self, topic: str, partition: int) -> bool:
        queue = self._queues.get((topic, partition))
        return queue is not None and queue.busy
