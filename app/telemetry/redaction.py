"""Secrets never get into a log: whatever a field with such a name holds is left out, in mappings within it, too."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_SECRET = re.compile(r"authorization|api.?key|password|passwd|secret|token|cookie|query", re.IGNORECASE)


def redact(event: Any) -> None:
    """Take what is secret out of a log event, in place."""
    secret, nested = _concerns(tuple(event), tuple(map(type, event.values())))
    for name in secret:
        event[name] = REDACTED
    for name in nested:
        event[name] = _redacted(event[name])


@lru_cache(maxsize=1024)
def _concerns(names: tuple[str, ...], types: tuple[type, ...]) -> tuple[list[str], list[str]]:
    """The fields that are left out, and those to look into. The same few lines are logged again and again."""
    secret = [name for name in names if is_secret(name)]
    nested = [name for name, kind in zip(names, types, strict=True) if issubclass(kind, Mapping)]
    return secret, [name for name in nested if name not in secret]


def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a secret."""
    return _SECRET.search(name) is not None


def _redacted(value: Mapping[Any, Any]) -> dict[str, Any]:
    inner = {str(name): item for name, item in value.items()}
    redact(inner)
    return inner
