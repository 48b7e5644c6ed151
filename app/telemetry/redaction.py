"""Secrets never get into a log: whatever a field with such a name holds is left out, in mappings within it, too."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_SECRET = re.compile(r"authorization|api.?key|password|passwd|secret|token|cookie|query", re.IGNORECASE)


def redact(fields: dict[str, Any]) -> None:
    """Take what is secret out of a log line's fields, in place."""
    for name in _concerned(tuple(fields), tuple(map(type, fields.values()))):
        fields[name] = REDACTED if is_secret(name) else _redacted(fields[name])


@lru_cache(maxsize=1024)
def _concerned(names: tuple[str, ...], types: tuple[type, ...]) -> list[str]:
    """The fields to be left out or looked into. The same few lines are logged again and again."""
    return [name for name, kind in zip(names, types, strict=True) if is_secret(name) or issubclass(kind, Mapping)]


def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a secret."""
    return _SECRET.search(name) is not None


def _redacted(value: Mapping[Any, Any]) -> dict[str, Any]:
    inner = {str(name): item for name, item in value.items()}
    redact(inner)
    return inner
