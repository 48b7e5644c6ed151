"""A message: an event, or a tombstone, with what decides its place in the log."""

from collections.abc import Mapping

from msgspec import Struct

from app.event import EncodedEvent
from app.record import FRAME, HEADER_FRAME, Headers, NewRecord, headers_size

RESERVED_HEADERS = frozenset(
    {"event-id", "event-type", "content-type", "request-id", "correlation-id", "causation-id", "traceparent"}
)
_JSON = ("content-type", b"application/json")
_COMMON_SIZE = len("request-id") + sum(map(len, _JSON))
_NAMES_SIZE = len("event-id") + len("event-type")


class Message(Struct, frozen=True, gc=False):
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


class Origin(Struct, frozen=True, gc=False):
    """Where a request's messages come from, as their records' headers tell."""

    request_id: str
    traceparent: str | None = None

    def headers(self) -> "SizedHeaders":
        """What all records of the request have in common."""
        request_id = self.request_id.encode()
        common: Headers = (_JSON, ("request-id", request_id))
        size = _COMMON_SIZE + len(request_id)
        if self.traceparent:
            traced = (("traceparent", self.traceparent.encode()),)
            common, size = common + traced, size + headers_size(traced)
        return common, size


SizedHeaders = tuple[Headers, int]
"""Headers, and how many bytes they are."""


def record_of(
    message: Message, partition: int, key: bytes | None, timestamp_ms: int, common: SizedHeaders
) -> NewRecord:
    """The record that stands for the message on the log (API 3)."""
    event = message.event
    headers, size = common
    value = event_id = None
    if event is not None:
        value, event_id = event.value, event.id
        id_, type_ = event_id.encode(), event.event_type.encode()
        size += _NAMES_SIZE + len(id_) + len(type_) + len(value)
        if event.correlation_id or event.causation_id:
            causes = _causes(event)
            headers, size = causes + headers, size + headers_size(causes)
        headers = (("event-id", id_), ("event-type", type_), *headers)
    if key is not None:
        size += len(key)
    if message.headers:
        clients = tuple([(name, text.encode()) for name, text in message.headers.items()])
        headers, size = headers + clients, size + headers_size(clients)
    framed = size + FRAME + HEADER_FRAME * len(headers)
    return NewRecord(partition, value, timestamp_ms, key, headers, event_id, size, framed)


def _causes(event: EncodedEvent) -> Headers:
    given = (("correlation-id", event.correlation_id), ("causation-id", event.causation_id))
    return tuple([(name, text.encode()) for name, text in given if text])
