"""A message as tails show it: that of a poll, and its partition. And the events that carry it (SSE)."""

import msgspec

from app.api.polled import PolledMessage, message_of
from app.gateway.live.page import Item
from app.record import Record

_encode = msgspec.json.Encoder().encode
_TYPE = "event-type"


class _Typed(msgspec.Struct, gc=False):
    event_type: str | None = None


_typed = msgspec.json.Decoder(_Typed).decode


def item_of(partition: int, record: Record) -> Item:
    """The message on one line, whatever whitespace others wrote."""
    message = message_of(record)
    data = b'{"partition_id":%d,' % partition + _encode(message)[1:]
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)
    return Item(record.offset, _event_type(record, message), data)


def event_of(item: Item, places: str) -> bytes:
    """The item as an event; `places` is its id (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return b"event: message\ndata: %b\nid: %b\n\n" % (item.data, places.encode())


def comment(text: str, places: str | None = None) -> bytes:
    """No event, but a sign of life, which moves the client's last id where it is given one."""
    return f": {text}\n{'' if places is None else f'id: {places}{chr(10)}'}\n".encode()


def failure(body: object) -> bytes:
    """The last event: why there are no more."""
    return b"event: error\ndata: %b\n\n" % _encode(body)


def _event_type(record: Record, message: PolledMessage) -> str | None:
    """As our own records say in a header; of others', as the event says."""
    for name, content in record.headers:
        if name == _TYPE and content is not None:
            return content.decode(errors="replace")
    try:
        return _typed(message.event).event_type if message.event else None
    except msgspec.DecodeError:
        return None
