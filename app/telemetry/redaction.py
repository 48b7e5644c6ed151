"""Secrets never get into a log: whatever a field with such a name holds is left out, in mappings within it, too."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_PLAIN = frozenset({str, int, float, type(None)})
"""The types of most values; to ask these for an abstract class takes longer than the rest of it."""

_SECRET = re.compile(r"authorization|api.?key|password|passwd|secret|token|cookie|query", re.IGNORECASE)


def redact(event: Any) -> None:
    """Take what is secret out of a log event, in place."""
    for name in secrets_among(tuple(event)):
        event[name] = REDACTED
    if not _PLAIN.issuperset(map(type, event.values())):
        for name, value in event.items():
            if isinstance(value, Mapping):
                event[name] = _redacted(value)


@lru_cache(maxsize=1024)
def secrets_among(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those under which there may be a secret. The same few lines are logged again and again."""
    return tuple(filter(is_secret, names))


def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a secret."""
    return _SECRET.search(name) is not None


def _redacted(value: Mapping[Any, Any]) -> dict[str, Any]:
    inner = {str(name): item for name, item in value.items()}
    redact(inner)
    return inner
