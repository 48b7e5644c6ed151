"""`traceparent`, as W3C's Trace Context writes it: https://www.w3.org/TR/trace-context/#traceparent-header."""

import re

HEADER = "traceparent"
_FORM = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED = 1
"""The lowest bit of the flags; others may be set beside it."""


def is_traceparent(text: str) -> bool:
    """Whether it has the form of one."""
    return _FORM.fullmatch(text) is not None


def is_recorded(text: str) -> bool:
    """Whether it is a `traceparent`, of a trace that somebody records."""
    return is_traceparent(text) and int(text[-2:], 16) & _SAMPLED != 0
