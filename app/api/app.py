"""The application: ready parts in, one handler for every request out.

aiohttp's `web.Application` would run ten middlewares as ten partial functions, and look up for each request what its
route settles once. So its table of routes is used, its requests and its server, and what stands before a route is put
together when the gateway starts.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from aiohttp import hdrs, web

from app.api.answer import Response
from app.api.request import Handler, Request
from app.api.route import UNKNOWN_ROUTE, Middleware, Route, composed
from app.door.scopes import Right

_NO_PARTS: Mapping[str, str] = MappingProxyType({})


class Application:
    """Finds the route of each request, and hands it on through the middlewares; `stopping` answers end connections."""

    def __init__(
        self, routes: Sequence[Route], middlewares: Sequence[Middleware], *, stopping: Callable[[], bool]
    ) -> None:
        self.middlewares = middlewares
        self.router = web.UrlDispatcher()
        self._stopping = stopping
        self._handlers: dict[web.AbstractRoute, Handler] = {}
        self._plain: dict[tuple[str, str], Handler] = {}
        """Behind paths without parts, which need no look at the table."""
        for row in routes:
            handler = composed(row, middlewares)
            for method in (row.method, hdrs.METH_HEAD) if row.method == hdrs.METH_GET else (row.method,):
                self._handlers[self.router.add_route(method, row.path, cast(Any, row.handler))] = handler
                if "{" not in row.path:
                    self._plain[method, row.path] = handler
        self._nowhere = composed(Route("*", UNKNOWN_ROUTE, Right.ANY, _nowhere), middlewares)

    def __call__(self, request: Request) -> Awaitable[Response]:
        request.stopping = self._stopping
        handler = self._plain.get((request.method, request.rel_url.raw_path))
        if handler is None:
            return self._look_up(request)
        request.match_info = _NO_PARTS
        return handler(request)

    async def _look_up(self, request: Request) -> Response:
        match = await self.router.resolve(cast(Any, request))  # it reads path and method
        request.match_info = match
        return await self._handlers.get(match.route, self._nowhere)(request)


async def _nowhere(request: Request) -> Response:
    raise cast(Any, request.match_info).http_exception  # NotFound, or MethodNotAllowed with the methods that are
