"""Strict JSON, as events are made of: UTF-8, no NaN, no Infinity, no lone surrogates, about 200 levels (API 3)."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec
import pydantic_core

from app.errors import BadRequest

_SHORT = 400
_NEITHER_DEEP_NOR_LONG = 4000
_DEEPEST = 200


class Head(msgspec.Struct, gc=False):
    """Of an object: the member by which an event is known, whatever its type."""

    id: Any = None


_decoder = msgspec.json.Decoder(Head)
_head, _head_of_each = _decoder.decode, _decoder.decode_lines
_first, _last = itemgetter(0), itemgetter(-1)
_OPENED, _CLOSED = {ord("{")}, {ord("}")}


def strict_json(body: bytes) -> Any:
    """The parsed document. Raises BadRequest."""
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None


def head_of(value: bytes) -> Head | None:
    """The head of a JSON object that `strict_json` takes; None for any other value.

    Polls ask this of every record. So most values are only skimmed: msgspec refuses all that `strict_json` refuses but
    bytes that are no UTF-8, nesting, and numbers of over 4300 digits. What it refuses is looked at again.
    """
    if is_tame(value):
        try:
            if not value.isascii():
                value.decode()
            return _head(value)
        except (UnicodeDecodeError, msgspec.DecodeError):
            pass
    try:
        parsed = strict_json(value)
    except BadRequest:
        return None
    return Head(parsed.get("id")) if isinstance(parsed, dict) else None


def heads_of(values: Sequence[bytes]) -> list[Head] | None:
    """The heads of all of them at once, at half the price; None where one has to be looked at by itself.

    msgspec reads one document behind the other, whatever lies between them. Each value begins as an object does and
    ends as one does: behind a value that leaves something open the next one's brace is an error. So each is at least
    one document, and where there are as many documents as values each is exactly one.
    """
    try:
        if set(map(_first, values)) != _OPENED or set(map(_last, values)) != _CLOSED:
            return None
        if max(map(len, values)) > _SHORT and not all(map(is_tame, values)):
            return None
        joined = b"\n".join(values)
        if not joined.isascii():
            joined.decode()
        heads = _head_of_each(joined)
    except (IndexError, UnicodeDecodeError, msgspec.DecodeError):
        return None
    return heads if len(heads) == len(values) else None


def is_tame(value: bytes) -> bool:
    """Whether the value is too short for deep nesting and for numbers of absurd length, or has few brackets."""
    size = len(value)
    if size <= _SHORT:
        return True
    return size <= _NEITHER_DEEP_NOR_LONG and value.count(b"[") + value.count(b"{") <= _DEEPEST
