"""The application: ready parts in, one handler for every request out.

aiohttp's `web.Application` would run ten middlewares as ten partial functions, and look up for each request what its
route settles once. So its table of routes is used, its requests, answers and server, and what stands before a route is
put together when the gateway starts.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from aiohttp import hdrs, web

from app.api.headers import add_headers
from app.api.request import Call, Handler, Request
from app.api.route import UNKNOWN_ROUTE, Middleware, Route, composed
from app.door.scopes import Right


class Application:
    """Finds the route of each request, and hands it on through the middlewares; `stopping` answers end connections."""

    def __init__(
        self, routes: Sequence[Route], middlewares: Sequence[Middleware], *, stopping: Callable[[], bool]
    ) -> None:
        self.middlewares = middlewares
        self.router = web.UrlDispatcher()
        self._stopping = stopping
        self._handlers: dict[web.AbstractRoute, Handler] = {}
        for row in routes:
            handler = composed(row, middlewares)
            for method in (row.method, hdrs.METH_HEAD) if row.method == hdrs.METH_GET else (row.method,):
                self._handlers[self.router.add_route(method, row.path, cast(Any, row.handler))] = handler
        self._nowhere = composed(Route("*", UNKNOWN_ROUTE, Right.ANY, _nowhere), middlewares)

    async def __call__(self, request: Request) -> web.StreamResponse:
        match = await self.router.resolve(cast(Any, request))  # it reads path and method
        request.match_info = match
        request.add_headers = self._add_headers
        return await self._handlers.get(match.route, self._nowhere)(request)

    def _add_headers(self, call: Call, response: web.StreamResponse) -> None:
        add_headers(call, response)
        if self._stopping():
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


async def _nowhere(request: Request) -> web.StreamResponse:
    raise cast(Any, request.match_info).http_exception  # NotFound, or MethodNotAllowed with the methods that are
