"""Common messages, told to be valid at a glance: what is none of them, or wrong, has to be looked at closely."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from app.api.parsing.strict import is_tame
from app.event import EventEncoder
from app.gateway.message import Message

_LONGEST_KEY = 255
_MESSAGE = b'{"event":'


class _Send(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: Raw
    partition_key: str | UnsetType = UNSET


class _Batch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    events: list[Raw] | UnsetType = UNSET
    messages: list[Raw] | UnsetType = UNSET
    partition_key: str | UnsetType = UNSET


_send = msgspec.json.Decoder(_Send).decode
_batch = msgspec.json.Decoder(_Batch).decode


def message_in(body: bytes, encoder: EventEncoder) -> Message | None:
    """The message that is all of the body, if it is a common one."""
    raw = _compact(body) if is_tame(body) else None
    return None if raw is None else message_of(raw, encoder)


def line_in(line: bytes, encoder: EventEncoder) -> Message | None:
    """The event, or the message with an event, that is all of the line, if it is a common one."""
    raw = _compact(line) if is_tame(line) else None
    if raw is None:
        return None
    return (message_of if raw.startswith(_MESSAGE) else message_with)(raw, encoder)


class Items(NamedTuple):
    """A batch in its usual form: strict JSON of messages, or of `events`; `key` is for those without their own."""

    raws: Sequence[bytes]
    events: bool
    key: str | None


def items_in(body: bytes) -> Items | None:
    """The batch that is all of the body, if it has its usual form; its items are still to be looked at."""
    raw = _compact(body)
    try:
        batch = None if raw is None else _batch(raw)
    except msgspec.ValidationError:
        return None
    if batch is None or (batch.events is UNSET) == (batch.messages is UNSET) or not _is_key(batch.partition_key):
        return None
    raws = list(map(bytes, batch.events or batch.messages or ()))
    return Items(raws, batch.events is not UNSET, batch.partition_key or None) if all(map(is_tame, raws)) else None


def message_of(raw: bytes, encoder: EventEncoder, key: str | None = None) -> Message | None:
    """The message that this strict JSON tells, if it is a common one; `key` is for one without a key of its own."""
    try:
        sent = _send(raw)
    except msgspec.ValidationError:
        return None
    return message_with(sent.event, encoder, sent.partition_key or key) if _is_key(sent.partition_key) else None


def message_with(raw: bytes | Raw, encoder: EventEncoder, key: str | None = None) -> Message | None:
    """A message with the event that this strict JSON tells, if it is a common one."""
    event = encoder.encode_common(raw)
    return None if event is None else Message(event, key)


def _compact(body: bytes) -> bytes | None:
    """The body without insignificant whitespace; None where it may not be strict JSON, but for what `is_tame` tells."""
    try:
        if not body.isascii():
            body.decode()
        return msgspec.json.format(body, indent=-1)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None


def is_key(text: str) -> bool:
    """Whether a record may have this key."""
    return 1 <= len(text.encode()) <= _LONGEST_KEY


def _is_key(key: str | UnsetType) -> bool:
    return key is UNSET or is_key(key)
