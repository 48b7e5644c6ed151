"""A poll's answer: records as clients read them, those that are no events of ours and broken ones included."""

import base64
from collections.abc import Sequence
from operator import attrgetter

from msgspec import UNSET, Raw, Struct, UnsetType

from app.api.answer import Answer
from app.api.parsing.strict import head_of, heads_of
from app.api.responses import json_bytes, time_text
from app.gateway.message import RESERVED_HEADERS
from app.record import Columns, Fetched, Record, Shared

_id = attrgetter("id")


class HeaderBytes(Struct, gc=False):
    name: str
    value: str | None


class PolledMessage(Struct, gc=False):
    """One record. The stored bytes of its event are spliced in, not decoded and encoded again.

    Parts that a text can't hold are given as base64.
    """

    offset: int
    timestamp: str
    id: str | None
    key: str | None
    event: Raw | None
    size: int
    key_base64: str | UnsetType = UNSET
    value_base64: str | UnsetType | None = UNSET
    headers: dict[str, str | None] | UnsetType = UNSET
    headers_base64: list[HeaderBytes] | UnsetType = UNSET


class _Page(Struct, gc=False):
    """Of a page all but its messages."""

    count: int
    partition_id: int
    current_offset: int
    next_offset: int
    high_watermark: int
    log_start_offset: int


def polled(partition: int, fetched: Fetched) -> Answer:
    """The page as an answer; it was fetched to be shown."""
    assert fetched.shared is not None  # noqa: S101  # for mypy: it was
    page = json_bytes(
        _Page(
            count=len(fetched.records),
            partition_id=partition,
            current_offset=max(0, fetched.high_watermark - 1),
            next_offset=fetched.next_offset,
            high_watermark=fetched.high_watermark,
            log_start_offset=fetched.log_start_offset,
        )
    )
    return Answer(b'{"messages":%b,%b' % (_messages(fetched.shared), page[1:]))


def _messages(shared: Shared) -> bytes:
    """One array of several, none of which is empty; made once for all who read the same page."""
    arrays = shared.shown or ()
    if len(arrays) != 1:
        arrays = shared.shown = [b"[%b]" % b",".join([memoryview(array)[1:-1] for array in arrays])]
    return arrays[0]


def show(some: Columns) -> bytes:
    """A few records as clients see them: an array. The more alike they are, the less it costs."""
    return json_bytes(_plain(some) or [message_of(record) for record in some.records()])


def _plain(some: Columns) -> list[PolledMessage] | None:
    """All of them at once, where all are as we write them: events with a text for an id, without headers of clients."""
    offsets, timestamps, keys, stored, headers = some
    values = [value for value in stored if value is not None]
    if len(values) < len(stored) or not _only_ours(headers):
        return None
    events = heads_of(values)
    if events is None:
        return None
    ids = list(map(_id, events))
    texts = keys if keys.count(None) == len(keys) else list(map(_text, keys))
    if set(map(type, ids)) != {str} or texts.count(None) != keys.count(None):
        return None
    return list(map(PolledMessage, offsets, map(time_text, timestamps), ids, texts, map(Raw, values), map(len, values)))


def _only_ours(headers: Sequence[Sequence[tuple[str, bytes | None]]]) -> bool:
    for some in headers:
        for name, _ in some:
            if name not in RESERVED_HEADERS:
                return False
    return True


def message_of(record: Record) -> PolledMessage:
    """The record as polls and tails show it."""
    value = record.value or b""
    event = head_of(value)
    event_id = event.id if event else None
    if not isinstance(event_id, str):
        event_id = _text(dict(record.headers).get("event-id"))
    key = record.key
    message = PolledMessage(
        record.offset,
        time_text(record.timestamp_ms),
        event_id,
        None if key is None else _text(key),
        Raw(value) if event else None,
        len(value),
    )
    if key is not None and message.key is None:
        message.key_base64 = _base64(key)
    if event is None:
        message.value_base64 = None if record.value is None else _base64(value)
    if event is None:
        _show_headers(message, record, as_bytes=True)
    else:
        for name, _ in record.headers:  # most have none but ours, and this is done for every record
            if name not in RESERVED_HEADERS:
                _show_headers(message, record, as_bytes=False)
                break
    return message


def _show_headers(message: PolledMessage, record: Record, *, as_bytes: bool) -> None:
    """The client's own as texts; all of them as bytes where asked for, or where a text can't hold one."""
    own = [header for header in record.headers if header[0] not in RESERVED_HEADERS]
    texts = {name: _text(content) for name, content in own}
    plain = None not in texts.values()
    if texts and plain:
        message.headers = texts
    if as_bytes or not plain or len(texts) < len(own):
        message.headers_base64 = [
            HeaderBytes(name, None if content is None else _base64(content)) for name, content in record.headers
        ]


def _text(content: bytes | None) -> str | None:
    try:
        return content.decode() if content is not None else None
    except UnicodeDecodeError:
        return None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
