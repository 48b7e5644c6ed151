"""Strict JSON, as events are made of: UTF-8, no NaN, no Infinity, no lone surrogates, about 200 levels (API 3)."""

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


_head = msgspec.json.Decoder(Head).decode


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
    if _is_tame(value):
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


def _is_tame(value: bytes) -> bool:
    """Whether the value is too short for deep nesting and for numbers of absurd length, or has few brackets."""
    size = len(value)
    if size <= _SHORT:
        return True
    return size <= _NEITHER_DEEP_NOR_LONG and value.count(b"[") + value.count(b"{") <= _DEEPEST
