"""What every answer says in its head."""

from aiohttp import hdrs, web
from multidict import istr

from app.api.request import Call

REQUEST_ID_HEADER = istr("X-Request-Id")
SERVER_NAME = "sluice"
SECURITY = {istr("X-Content-Type-Options"): "nosniff", hdrs.CACHE_CONTROL: "no-store"}
"""On every answer that does not say otherwise."""

_LIMIT, _REMAINING, _RESET = (istr(f"X-RateLimit-{what}") for what in ("Limit", "Remaining", "Reset"))
_EFFECTIVE_TIMEOUT = istr("X-Effective-Timeout")
_EXPOSED = (
    "ETag, Link, Location, Retry-After, X-Effective-Timeout, X-Index-Lag, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Request-Id"
)


def add_headers(call: Call, response: web.StreamResponse) -> None:
    """On every answer but those to what the HTTP parser refuses: these are made in `wire`."""
    headers = response.headers
    headers[hdrs.SERVER] = SERVER_NAME
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    headers.add(hdrs.VARY, hdrs.ORIGIN)
    headers[REQUEST_ID_HEADER] = call.request_id
    if (limit := call.limit) is not None:
        headers[_LIMIT] = str(limit.limit)
        headers[_REMAINING] = str(limit.remaining)
        headers[_RESET] = str(limit.reset)
    if call.allowed_origin is not None:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = call.allowed_origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
    if call.effective_timeout is not None:
        headers[_EFFECTIVE_TIMEOUT] = str(call.effective_timeout)
