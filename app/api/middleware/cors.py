"""CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): which web pages may read our answers.

A preflight is answered here, before limit and keys: browsers send it without either. Never with credentials; keys
travel in a header of their own.
"""

from collections.abc import Callable, Collection

from aiohttp import hdrs, web

from app.api.state import CALL, Handler, Middleware, asks_for_websocket
from app.errors import Forbidden

ANY = "*"
MAX_AGE_SECONDS = 600
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ASKED = (
    "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Prefer, traceparent, X-API-Key, X-Request-Id, X-Request-Timeout"
)
_EXPOSED = (
    "ETag, Link, Location, Retry-After, X-Effective-Timeout, X-Index-Lag, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Request-Id"
)


def cors(origins: Collection[str], refused: Callable[[str], None]) -> Middleware:
    """The middleware, for these origins; `*` is all of them. The headers are set on every answer, errors included.

    A browser lets any page open a WebSocket and leaves it to us to look whose it is: `refused` is told of others.
    """
    everybody = ANY in origins

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            return await handler(request)
        known = everybody or origin in origins
        if not known and asks_for_websocket(request.headers):
            refused("origin")
            raise Forbidden("web pages of this origin may not open a WebSocket here")
        if known:
            request[CALL].allowed_origin = ANY if everybody else origin
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return _preflight() if known else web.Response(status=204)
        return await handler(request)

    return middleware


def expose(response: web.StreamResponse, allowed_origin: str) -> None:
    """Let the page at this origin read the answer."""
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = allowed_origin
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED


def _preflight() -> web.Response:
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _ASKED,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_SECONDS),
        },
    )
