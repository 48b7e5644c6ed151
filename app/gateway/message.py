"""A message: an event, or a tombstone, with what decides its place in the log."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from app.event import EncodedEvent
from app.record import Headers, NewRecord

RESERVED_HEADERS = frozenset(
    {"event-id", "event-type", "content-type", "request-id", "correlation-id", "causation-id", "traceparent"}
)
_JSON = ("content-type", b"application/json")


class Message(Struct, frozen=True):
    """What a client sends. `event` None is a tombstone: it deletes its key from a compacted topic."""

    event: EncodedEvent | None
    partition_key: str | None = None
    partition_id: int | None = None
    headers: Mapping[str, str] | None = None

    @property
    def key(self) -> bytes | None:
        """`partition_key`, else the event's `aggregate_id`, else none."""
        text = self.partition_key or (self.event and self.event.aggregate_id)
        return text.encode() if text else None


class Origin(NamedTuple):
    """Where a request's messages come from, as their records' headers tell."""

    request_id: str
    traceparent: str | None = None

    def headers(self) -> Headers:
        """What all records of the request have in common."""
        common: Headers = (_JSON, ("request-id", self.request_id.encode()))
        return (*common, ("traceparent", self.traceparent.encode())) if self.traceparent else common


def record_of(
    message: Message, partition: int, key: bytes | None, timestamp_ms: int, common_headers: Headers
) -> NewRecord:
    """The record that stands for the message on the log (API 3)."""
    event = message.event
    headers = common_headers if event is None else (*_headers(event), *common_headers)
    if message.headers:
        headers += tuple((name, text.encode()) for name, text in message.headers.items())
    return NewRecord(partition, event.value if event else None, timestamp_ms, key, headers, event.id if event else None)


def _headers(event: EncodedEvent) -> Headers:
    own: Headers = (("event-id", event.id.encode()), ("event-type", event.event_type.encode()))
    if event.correlation_id:
        own += (("correlation-id", event.correlation_id.encode()),)
    if event.causation_id:
        own += (("causation-id", event.causation_id.encode()),)
    return own
