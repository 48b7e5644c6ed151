"""Every request has an id, on its answer and in its log lines: the client's, if it is a sane one, else a new one."""

import re
from collections.abc import Callable

from aiohttp import web

from app.api.state import CALL, REQUEST_ID_HEADER, Call, Handler, Middleware, route_of
from app.telemetry.logs import serve_request

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(new_id: Callable[[], str]) -> Middleware:
    """The middleware; the answer's header is set by `on_response_prepare`, so that streams and errors have it too."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER)
        chosen = given if given and _SANE.fullmatch(given) else new_id()
        request[CALL] = Call(chosen, route_of(request))
        serve_request(chosen)
        return await handler(request)

    return middleware
