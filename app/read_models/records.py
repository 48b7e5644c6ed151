"""From a record to a row of the index."""

import re
import zlib
from hashlib import sha256
from typing import Any

import msgspec

from app.event import microseconds, moment_of
from app.record import Record

_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MOST = 2**63 - 1
_LONGEST = 256


class _Event(msgspec.Struct, gc=False):
    """What is asked of an event; others than ours may write what they like."""

    id: Any = None
    event_type: Any = None
    timestamp: Any = None
    aggregate_id: Any = None
    aggregate_type: Any = None
    version: Any = None
    correlation_id: Any = None
    source: Any = None


_decode = msgspec.json.Decoder(_Event).decode


def row_of(topic: str, record: Record) -> dict[str, Any] | None:
    """The event's row; None for a record that is no event: a tombstone, no JSON object, without an id or a type."""
    value = record.value or b""
    try:
        value.decode()
        event = _decode(value)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    event_id, event_type = event.id, event.event_type
    if not isinstance(event_id, str) or not _ID.fullmatch(event_id) or not isinstance(event_type, str):
        return None
    return {
        "id": event_id.lower(),
        "at": _time_of(event.timestamp, record.timestamp_ms),
        "recorded_ms": record.timestamp_ms,
        "event_type": key_of(event_type),
        "topic": topic,
        "aggregate_id": _text(event.aggregate_id),
        "aggregate_type": _text(event.aggregate_type),
        "version": event.version if type(event.version) is int and 0 <= event.version <= _MOST else None,
        "correlation_id": _lower(_text(event.correlation_id)),
        "source": _text(event.source),
        "value": value,
    }


def mark_of(record: Record) -> int:
    """By which a record is known again: another one at its offset means that the topic was made anew."""
    return zlib.crc32(record.value or b"", record.timestamp_ms & 0xFFFFFFFF)


def _time_of(timestamp: Any, recorded_ms: int) -> int:
    try:
        return microseconds(moment_of(timestamp))
    except ValueError:
        return recorded_ms * 1000


def key_of(text: str) -> str:
    """What a text is found by: itself, unless no database could index it (too long) or hold it (NUL)."""
    text = text.replace("\x00", "\ufffd")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…{sha256(text.encode()).hexdigest()}"


def _text(value: Any) -> str | None:
    return key_of(value) if isinstance(value, str) else None


def _lower(text: str | None) -> str | None:
    return text and text.lower()
