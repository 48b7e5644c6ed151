"""A partition in memory: its records, what retention takes of them, what compaction does."""

from bisect import bisect_left
from dataclasses import dataclass, field

from app.brokers.compaction import Newest, is_due
from app.record import Record, record_size
from app.topic import CompactionConfigs, TopicConfigs


@dataclass(slots=True)
class Partition:
    """`records` are in the order of their offsets, with holes where compaction was; up to `clean_to` it has been.

    `delete_at` is when the tombstones that it met may go, by offset.
    """

    records: list[Record] = field(default_factory=list)
    log_start: int = 0
    high_watermark: int = 0
    size: int = 0
    clean_to: int = 0
    delete_at: dict[int, int] = field(default_factory=dict)

    def append(self, record: Record) -> None:
        self.records.append(record)
        self.high_watermark = record.offset + 1
        self.size += _size(record)

    def index(self, offset: int) -> int:
        """Of the first record from this offset on."""
        return bisect_left(self.records, offset, key=lambda record: record.offset)

    def drop_oldest(self, count: int) -> None:
        if count:
            self.log_start = self.records[count - 1].offset + 1
            self.keep(self.records[count:])

    def keep(self, records: list[Record]) -> None:
        self.records = records
        self.size = sum(map(_size, records))


def _size(record: Record) -> int:
    return record_size(record.key, record.value, record.headers)


def clamp(offset: int, partition: Partition) -> int:
    return min(max(offset, partition.log_start), partition.high_watermark)


def retain(partition: Partition, configs: TopicConfigs, now_ms: int) -> None:
    """Drop what is too old, then what is too much, oldest first; as on Kafka never below the bytes to be kept."""
    too_old = 0
    if configs.retention_ms >= 0:
        for record in partition.records:
            if record.timestamp_ms >= now_ms - configs.retention_ms:
                break
            too_old += 1
    partition.drop_oldest(too_old)
    if configs.retention_bytes >= 0:
        excess = partition.size - configs.retention_bytes
        too_many = 0
        for record in partition.records:
            excess -= _size(record)
            if excess < 0:
                break
            too_many += 1
        partition.drop_oldest(too_many)


def compact(partition: Partition, configs: CompactionConfigs, now_ms: int) -> None:
    dirty = []
    for record in partition.records[partition.index(partition.clean_to) :]:
        if record.timestamp_ms > now_ms - configs.min_lag_ms:
            break
        dirty.append(record)
    oldest_ms = min((record.timestamp_ms for record in dirty), default=now_ms)
    dirty_bytes = sum(map(_size, dirty))
    if is_due(configs, dirty_bytes=dirty_bytes, all_bytes=partition.size, oldest_ms=oldest_ms, now_ms=now_ms):
        partition.clean_to = dirty[-1].offset + 1
    elif min(partition.delete_at.values(), default=now_ms + 1) > now_ms:
        return
    else:
        dirty = []
    newest = Newest(now_ms, configs.delete_retention_ms)
    for record in dirty:
        newest.add(record.offset, record.key)
    _clean(partition, newest)


def _clean(partition: Partition, newest: Newest) -> None:
    behind = partition.index(partition.clean_to)
    before = partition.delete_at
    kept = [r for r in partition.records[:behind] if newest.keeps(r.offset, r.key, before.get(r.offset))]
    tombstones = [r.offset for r in kept if r.value is None and r.key is not None]
    partition.delete_at = {offset: before.get(offset, newest.delete_at_ms) for offset in tombstones}
    partition.keep(kept + partition.records[behind:])
