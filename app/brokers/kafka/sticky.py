"""Where records go that have neither key nor partition: all that wait together to one partition, and so into one batch.

Kafka's own clients do the same (KIP-480). Spread over the partitions at once, they would make a batch for each, which
costs the gateway and the broker as much as a large one; over time each partition gets its share.
"""

from collections.abc import Mapping
from itertools import chain

from app.brokers.kafka.group_commit import GroupCommit


class Sticky:
    """Goes on to the next partition when one has taken a batch, and leaves out those whose batch is late (KIP-794)."""

    def __init__(self, queues: Mapping[tuple[str, int], GroupCommit]) -> None:
        self._queues = queues
        self._next: dict[str, int] = {}

    def __call__(self, topic: str, partitions: int) -> int:
        """The partition, of so many; of those that are all late, the one whose turn it is."""
        first = self._next.get(topic, 0) % partitions
        if not self._late(topic, first):  # as nearly always
            return first
        others = chain(range(first + 1, partitions), range(first))
        return next((number for number in others if not self._late(topic, number)), first)

    def took_batch(self, topic: str, partition: int) -> None:
        self._next[topic] = partition + 1

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        self._next.pop(topic, None)

    def _late(self, topic: str, partition: int) -> bool:
        queue = self._queues.get((topic, partition))
        return queue is not None and queue.late
