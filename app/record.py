"""Records of a partitioned log: as written, as read, and what became of a write.

Structs rather than dataclasses because a batch makes thousands of them: they cost a tenth.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from msgspec import Struct

from app.errors import SluiceError

Headers = tuple[tuple[str, bytes | None], ...]

BATCH_HEADER = 61
"""Bytes of an empty Kafka record batch (message format v2, https://kafka.apache.org/documentation/#recordbatch)."""

FRAME = 5 + 1 + 10 + 5 + 5 + 5 + 5
"""At most how many bytes a record takes in one beside its own: its length, attributes, time, offset, and the lengths of
key, value and header list. Every length is a varint of at most 5 bytes."""

HEADER_FRAME = 5 + 5
"""And each of its headers."""


class NewRecord(Struct, frozen=True, gc=False):
    """A record on its way to a log. `event_id` is the id by which repeats are known; None is never a repeat.

    Its header `event-id` says the same: a log that keeps no ids of its own finds them there after a restart. `size` is
    the bytes of key, value and headers, as `record_size` counts them, `framed` what it takes in a Kafka record batch.
    """

    partition: int
    value: bytes | None
    timestamp_ms: int
    key: bytes | None
    headers: Headers
    event_id: str | None
    size: int
    framed: int

    @classmethod
    def of(
        cls,
        partition: int,
        value: bytes | None,
        timestamp_ms: int,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        event_id: str | None = None,
    ) -> "NewRecord":
        """One whose sizes are worked out here."""
        size = record_size(key, value, headers)
        framed = size + FRAME + HEADER_FRAME * len(headers)
        return cls(partition, value, timestamp_ms, key, headers, event_id, size, framed)


class Record(Struct, frozen=True, gc=False):
    """A record as it stands in a partition. `value` is None for a tombstone. Times are milliseconds since the epoch."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Written(Struct, frozen=True, gc=False):
    """The record is durable at this position. `duplicate`: it was already there, under the same event id."""

    partition: int
    offset: int
    timestamp_ms: int
    duplicate: bool = False


class Failed(Struct, frozen=True):
    """The record was not acknowledged; `error.outcome` says whether it may be in the log all the same."""

    error: SluiceError


Outcome = Written | Failed


class Position(NamedTuple):
    """Where a read starts. `topic` is the broker's name."""

    topic: str
    partition: int
    offset: int


class Limit(Struct, frozen=True):
    """How much a read may bring: at most `count` records, and no record more once `max_bytes` of values are there."""

    count: int
    max_bytes: int


class Columns(NamedTuple):
    """A few consecutive records, column by column: far cheaper than an object each, where they are only passed on."""

    offsets: list[int]
    timestamps_ms: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Sequence[tuple[str, bytes | None]]]

    def first(self, count: int) -> "Columns":
        return Columns(*[column[:count] for column in self])  # type: ignore[arg-type]  # each as it was

    def records(self) -> list[Record]:
        return list(map(Record, *self[:4], map(tuple, self.headers)))


Show = Callable[[Columns], bytes]
"""What clients see of a few consecutive records."""

_COLUMNS = tuple(map(attrgetter, Record.__struct_fields__))


def columns_of(records: Sequence[Record]) -> Columns:
    return Columns(*[list(map(column, records)) for column in _COLUMNS])


class Shared:
    """What a log knows of a page besides its records, for all who read the same; these are `size` bytes of values.

    `shown` is what clients see of its records, a few of them in each piece; None until that was made.
    """

    __slots__ = ("shown", "size")

    def __init__(self, size: int, shown: Sequence[bytes] | None = None) -> None:
        self.size = size
        self.shown = shown


class Fetched(Struct, frozen=True):
    """What a read found. `next_offset` is where the next read starts, never below the clamped offset asked for."""

    records: Sequence[Record]
    next_offset: int
    high_watermark: int
    log_start_offset: int
    shared: Shared | None = None

    @property
    def size(self) -> int:
        """Bytes of all values."""
        if self.shared is not None:
            return self.shared.size
        return sum([len(record.value) for record in self.records if record.value])

    def shown_by(self, show: Show | None) -> "Fetched":
        """The same, with what clients see of it: made here if it was not yet."""
        if show is None or (self.shared is not None and self.shared.shown is not None):
            return self
        shared = self.shared or Shared(self.size)
        shared.shown = [show(columns_of(self.records))] if self.records else []
        return Fetched(self.records, self.next_offset, self.high_watermark, self.log_start_offset, shared)


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes that a record brings to the log, the log's own framing left out."""
    return (len(key) if key else 0) + (len(value) if value else 0) + headers_size(headers)


def headers_size(headers: Headers) -> int:
    size = 0
    for name, text in headers:
        size += len(name) + (len(text) if text else 0)
    return size
