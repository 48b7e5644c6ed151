"""A row of the log is a batch: its records as one MessagePack array, under a checksum that SQLite itself lacks."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from app.record import Headers, NewRecord, Record

Stored = tuple[int, bytes | None, bytes | None, Headers, str | None]
"""A record as it goes into a batch; see StoredRecord."""

HOLE = msgspec.Raw(b"\xc0")
"""What stands in a batch (MessagePack's nil) where compaction took a record away: the others keep their places."""


class StoredRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record in its batch. Fields may be added at the end, never moved.

    `delete_at_ms` is given to a tombstone by the first compaction that meets it: when it may go.
    """

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    event_id: str | None = None
    delete_at_ms: int | None = None


class Batch(NamedTuple):
    """A batch as its row has it. Times are milliseconds since the epoch."""

    base_offset: int
    length: int
    crc32: int
    records: bytes


class Corrupt(Exception):
    """The bytes of a batch are not those that were written."""


_encoder = msgspec.msgpack.Encoder()
_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])
_record = msgspec.msgpack.Decoder(StoredRecord)


def stored(record: NewRecord) -> Stored:
    return (record.timestamp_ms, record.key, record.value, record.headers, record.event_id)


def encode(records: Sequence[Stored] | Sequence[msgspec.Raw]) -> tuple[int, bytes]:
    """The checksum and the bytes of a batch."""
    blob = _encoder.encode(records)
    return zlib.crc32(blob), blob


def places(batch: Batch) -> list[msgspec.Raw]:
    """What stands at each of the batch's offsets, not decoded: a record or `HOLE`. Raises Corrupt.

    A batch of which nothing is left holds an empty array, however long it was.
    """
    if zlib.crc32(batch.records) != batch.crc32:
        raise Corrupt("its checksum does not match")
    try:
        raws = _raws.decode(batch.records)
    except msgspec.MsgspecError as error:
        raise Corrupt(str(error)) from error
    if raws and len(raws) != batch.length:
        raise Corrupt(f"it should hold {batch.length} records and holds {len(raws)}")
    return raws


def decode(batch: Batch, first: int = 0) -> Iterator[tuple[int, StoredRecord]]:
    """Offsets and records from the batch's `first`-th place on; those before cost next to nothing. Raises Corrupt."""
    for offset, raw in enumerate(places(batch)[first:], batch.base_offset + first):
        if raw != HOLE:
            yield offset, decode_one(raw)


def decode_one(raw: msgspec.Raw) -> StoredRecord:
    """Raises Corrupt."""
    try:
        return _record.decode(raw)
    except msgspec.MsgspecError as error:
        raise Corrupt(str(error)) from error


def to_go_at(found: StoredRecord, delete_at_ms: int) -> msgspec.Raw:
    """The tombstone, with the time it may go."""
    return msgspec.Raw(_encoder.encode(msgspec.structs.replace(found, delete_at_ms=delete_at_ms)))


def as_record(offset: int, found: StoredRecord) -> Record:
    return Record(offset, found.timestamp_ms, found.key, found.value, found.headers)
