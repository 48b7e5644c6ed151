"""What the head of every answer says."""

from aiohttp import hdrs
from multidict import CIMultiDict, istr

from app.api.call import Call

REQUEST_ID_HEADER = istr("X-Request-Id")
UNKEPT = "no-store"
"""`Cache-Control` of every answer that does not say otherwise."""

_ALWAYS = "Server: sluice\r\nX-Content-Type-Options: nosniff\r\nVary: Origin\r\n"
_EXPOSED = (
    "ETag, Link, Location, Retry-After, X-Effective-Timeout, X-Index-Lag, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Request-Id"
)


def common_lines(call: Call) -> str:
    """What does not hang on the answer, as it stands in a head. Nothing in it is as a client sent it unchecked."""
    lines = f"{_ALWAYS}X-Request-Id: {call.request_id}\r\n"
    if (limit := call.limit) is not None:
        lines += (
            f"X-RateLimit-Limit: {limit.limit}\r\nX-RateLimit-Remaining: {limit.remaining}\r\n"
            f"X-RateLimit-Reset: {limit.reset}\r\n"
        )
    if call.allowed_origin is not None:
        lines += f"Access-Control-Allow-Origin: {call.allowed_origin}\r\nAccess-Control-Expose-Headers: {_EXPOSED}\r\n"
    if call.effective_timeout is not None:
        lines += f"X-Effective-Timeout: {call.effective_timeout}\r\n"
    return lines


def add_common(call: Call, headers: CIMultiDict[str]) -> None:
    """The same, for an answer whose head aiohttp writes."""
    headers.setdefault(hdrs.CACHE_CONTROL, UNKEPT)
    for line in common_lines(call).splitlines():
        name, _, value = line.partition(": ")
        headers[name] = value
