"""`traceparent`, as W3C's Trace Context writes it: https://www.w3.org/TR/trace-context/#traceparent-header."""

import re

HEADER = "traceparent"
_RECORDED = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]")
"""The lowest bit of the flags is `sampled`; others may be set beside it."""


def is_recorded(traceparent: str) -> bool:
    """Whether somebody records this trace."""
    return _RECORDED.fullmatch(traceparent) is not None
