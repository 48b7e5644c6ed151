"""Records of one call as record batches: by partition, in request order, each no larger than its topic takes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from app.brokers.kafka.internals import DefaultRecordBatchBuilder
from app.errors import NOT_WRITTEN, MessageTooLarge, SluiceError, ValidationFailed
from app.record import NewRecord
from app.topic import TopicConfigs

MOST_BYTES = 1_048_588
"""The largest batch of several records; Kafka's own default for a topic. A single record may be larger."""

HEADER = 61
"""Bytes of an empty record batch (https://kafka.apache.org/documentation/#recordbatch)."""


class Chunk(NamedTuple):
    """One record batch to be; `indices` are its records' places in the call."""

    batch: Any
    indices: list[int]


def refusal(record: NewRecord, config: TopicConfigs) -> SluiceError | None:
    """Why the broker would refuse every record of a batch that held this one: found out before it joins one."""
    if record.key is None and config.compacted:
        return ValidationFailed.of("partition_key", "must be given: the topic is compacted, and that goes by key")
    size = HEADER + _size(record)
    if size > config.max_message_bytes:
        return MessageTooLarge(
            f"the record needs {size} bytes, the topic's max.message.bytes is {config.max_message_bytes}",
            outcome=NOT_WRITTEN,
        )
    return None


def by_partition(records: Sequence[NewRecord], indices: Iterable[int]) -> Mapping[int, list[int]]:
    """The records' places, by partition, in request order."""
    places: dict[int, list[int]] = {}
    for index in indices:
        places.setdefault(records[index].partition, []).append(index)
    return places


def chunks(
    records: Sequence[NewRecord], indices: Iterable[int], most_bytes: int, new_batch: Callable[[], Any]
) -> list[Chunk]:
    """Record batches of one partition, the fewest that keep the order and the size."""
    found: list[Chunk] = []
    room = 0
    for index in indices:
        record = records[index]
        size = _size(record)
        if size > room:
            found.append(Chunk(new_batch(), []))
            room = min(most_bytes, MOST_BYTES) - HEADER
        chunk = found[-1]
        headers = list(record.headers)
        chunk.batch.append(timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=headers)
        chunk.indices.append(index)
        room -= size
    for chunk in found:
        chunk.batch.close()
    return found


def _size(record: NewRecord) -> int:
    """Bytes in a batch, at most."""
    headers = list(record.headers)
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, headers)) - HEADER
