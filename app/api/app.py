"""The application: ready parts in, an aiohttp application out."""

from collections.abc import Callable, Sequence

from aiohttp import hdrs, web
from multidict import istr

from app.api.body import defer_continue
from app.api.middleware.cors import expose
from app.api.routes import Route
from app.api.state import CALL, REQUEST_ID_HEADER, SECURITY, SERVER_NAME, Handler, Middleware

_LIMIT, _REMAINING, _RESET = (istr(f"X-RateLimit-{what}") for what in ("Limit", "Remaining", "Reset"))
_EFFECTIVE_TIMEOUT = istr("X-Effective-Timeout")


def create_metrics_app(metrics: Handler, middlewares: Sequence[Middleware]) -> web.Application:
    """`/metrics` alone, for a port that only those reach who may see it."""
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/metrics", metrics)
    return app


def create_app(
    routes: Sequence[Route], middlewares: Sequence[Middleware], *, stopping: Callable[[], bool]
) -> web.Application:
    """`stopping` tells whether answers should end their connections."""
    app = web.Application(middlewares=middlewares)
    app.add_routes([web.route(row.method, row.path, row.handler, expect_handler=defer_continue) for row in routes])

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        """On every answer but those to what the HTTP parser refuses: these are made in `server`."""
        headers = response.headers
        headers[hdrs.SERVER] = SERVER_NAME
        for name, value in SECURITY.items():
            headers.setdefault(name, value)
        headers.add(hdrs.VARY, hdrs.ORIGIN)
        call = request[CALL]
        headers[REQUEST_ID_HEADER] = call.request_id
        if call.limit is not None:
            headers[_LIMIT] = str(call.limit.limit)
            headers[_REMAINING] = str(call.limit.remaining)
            headers[_RESET] = str(call.limit.reset)
        if call.allowed_origin is not None:
            expose(response, call.allowed_origin)
        if call.effective_timeout is not None:
            headers[_EFFECTIVE_TIMEOUT] = str(call.effective_timeout)
        if stopping():
            response.force_close()
            headers[hdrs.CONNECTION] = "close"

    app.on_response_prepare.append(add_headers)
    return app
