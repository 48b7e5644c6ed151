"""Messages as records: their headers, and that their size is what it says."""

import pytest

from app.event import EncodedEvent
from app.gateway.message import Message, Origin, record_of
from app.record import NewRecord, record_size

ID, CAUSE = "7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01", "00000000-0000-4000-8000-000000000001"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def made(message: Message, origin: Origin, key: bytes | None = None) -> NewRecord:
    return record_of(message, 1, key, 1_700_000_000_000, origin.headers())


def event(**belongs: str) -> EncodedEvent:
    return EncodedEvent(
        ID,
        "заказ.оплачен",
        b'{"a":1}',
        **{"correlation_id": None, "causation_id": None, "aggregate_id": None, **belongs},
    )


@pytest.mark.parametrize("origin", [Origin("r-1"), Origin("r-2", TRACEPARENT)])
@pytest.mark.parametrize("key", [None, b"", "ключ".encode()])
@pytest.mark.parametrize(
    "message",
    [
        Message(event()),
        Message(event(correlation_id=CAUSE)),
        Message(event(correlation_id=ID, causation_id=CAUSE), headers={"tenant": "я", "empty": ""}),
        Message(None),
        Message(None, headers={"why": "gone"}),
    ],
)
def test_a_records_size_is_that_of_its_parts(message, origin, key):
    record = made(message, origin, key)
    assert record.size == record_size(record.key, record.value, record.headers) > 0


def test_headers_tell_the_event_its_origin_and_what_the_client_said_in_this_order():
    message = Message(event(correlation_id=ID, causation_id=CAUSE), headers={"tenant": "a"})
    assert made(message, Origin("r-1", TRACEPARENT)).headers == (
        ("event-id", ID.encode()),
        ("event-type", "заказ.оплачен".encode()),
        ("correlation-id", ID.encode()),
        ("causation-id", CAUSE.encode()),
        ("content-type", b"application/json"),
        ("request-id", b"r-1"),
        ("traceparent", TRACEPARENT.encode()),
        ("tenant", b"a"),
    )


def test_a_tombstone_has_neither_value_nor_id():
    record = made(Message(None), Origin("r-1"), b"k")
    assert (record.value, record.event_id, record.key) == (None, None, b"k")
    assert record.headers == (("content-type", b"application/json"), ("request-id", b"r-1"))
