"""CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): which web pages may read our answers.

A preflight is answered here, before limit and keys: browsers send it without either. Never with credentials; keys
travel in a header of their own.
"""

from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs

from app.api.answer import Answer, Response
from app.api.request import Handler, Request, asks_for_websocket
from app.api.route import Middleware, Route
from app.errors import Forbidden

ANY = "*"
MAX_AGE_SECONDS = 600
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ASKED = (
    "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Prefer, traceparent, X-API-Key, X-Request-Id, X-Request-Timeout"
)


def cors(origins: Collection[str], refused: Callable[[str], None]) -> Middleware:
    """The middleware, for these origins; `*` is all of them. The headers are set on every answer, errors included.

    A browser lets any page open a WebSocket and leaves it to us to look whose it is: `refused` is told of others.
    """
    everybody = ANY in origins

    def middleware(handler: Handler, _route: Route) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            origin = request.headers.get(hdrs.ORIGIN)
            return handler(request) if origin is None else from_page(request, origin, handler)

        return handle

    async def from_page(request: Request, origin: str, handler: Handler) -> Response:
        known = everybody or origin in origins
        if not known and asks_for_websocket(request.headers):
            refused("origin")
            raise Forbidden("web pages of this origin may not open a WebSocket here")
        if known:
            request.call.allowed_origin = ANY if everybody else origin
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return _preflight() if known else Answer(status=204)
        return await handler(request)

    return middleware


def _preflight() -> Answer:
    return Answer(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _ASKED,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_SECONDS),
        },
    )
