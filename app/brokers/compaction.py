"""Compaction by Kafka's rules, for logs of our own: of each key only the newest record stays, at its offset.

https://kafka.apache.org/documentation/#compaction. A tombstone (null value) takes its key's older records away at once
and goes itself once it is older than `delete.retention.ms`, so that readers who are that slow still hear of it.
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

    def __init__(self, tombstones_until_ms: int) -> None:
        """Tombstones whose record is older than `tombstones_until_ms` have done their work."""
        self._offsets: dict[bytes, int] = {}
        self._tombstones_until_ms = tombstones_until_ms

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, key: bytes | None) -> None:
        """Offsets come in their order."""
        if key is not None:
            self._offsets[key] = offset

    def keeps(self, offset: int, key: bytes | None, value: bytes | None, timestamp_ms: int) -> bool:
        if key is None:
            return True
        if offset < self._offsets.get(key, 0):
            return False
        return value is not None or timestamp_ms >= self._tombstones_until_ms
