"""The application: ready parts in, an aiohttp application out."""

from collections.abc import Callable, Sequence

from aiohttp import hdrs, web

from app.api.state import EFFECTIVE_TIMEOUT, REQUEST_ID, REQUEST_ID_HEADER, Middleware


def create_app(
    routes: Sequence[web.RouteDef], middlewares: Sequence[Middleware], *, stopping: Callable[[], bool]
) -> web.Application:
    """`stopping` tells whether answers should end their connections."""
    app = web.Application(middlewares=middlewares)
    app.add_routes(routes)

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        """On every answer, streams, framework errors and parser errors included."""
        response.headers[hdrs.SERVER] = "sluice"
        if REQUEST_ID in request:
            response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        if EFFECTIVE_TIMEOUT in request:
            response.headers["X-Effective-Timeout"] = str(request[EFFECTIVE_TIMEOUT])
        if stopping():
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    app.on_response_prepare.append(add_headers)
    return app
