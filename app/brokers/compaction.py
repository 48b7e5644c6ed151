"""Compaction by Kafka's rules, for logs of our own: of each key only the newest record stays, at its offset.

https://kafka.apache.org/documentation/#compaction. A tombstone (null value) takes its key's older records away at once
and goes itself `delete.retention.ms` after that round (Kafka's delete horizon, KIP-534): whoever read an older record
before it was taken away has so much time to come to the tombstone, however late the round was.
A record without a key, from a time when the topic was not compacted, stays: nothing says that it is out of date.
"""

from app.topic import CompactionConfigs


def is_due(configs: CompactionConfigs, *, dirty_bytes: int, all_bytes: int, oldest_ms: int, now_ms: int) -> bool:
    """Whether so much came since the last round, the oldest of it at `oldest_ms`, that another one is worth it."""
    if not dirty_bytes:
        return False
    return dirty_bytes >= configs.dirty_ratio * all_bytes or oldest_ms < now_ms - configs.max_lag_ms


class Newest:
    """The newest offset of each key in the part of a log that is being compacted."""

    def __init__(self, now_ms: int, delete_retention_ms: int) -> None:
        """`delete_at_ms` is when the tombstones that are met for the first time may go."""
        self._offsets: dict[bytes, int] = {}
        self._now_ms = now_ms
        self.delete_at_ms = now_ms + delete_retention_ms

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, key: bytes | None) -> None:
        """Offsets come in their order."""
        if key is not None:
            self._offsets[key] = offset

    def keeps(self, offset: int, key: bytes | None, delete_at_ms: int | None) -> bool:
        """Whether the record stays. `delete_at_ms` is of a tombstone that an earlier round has met."""
        if key is None:
            return True
        if offset < self._offsets.get(key, 0):
            return False
        return delete_at_ms is None or delete_at_ms > self._now_ms
