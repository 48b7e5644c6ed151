"""Every request has an id, on its answer and in its log lines: the client's, if it is a sane one, else a new one."""

import re
from collections.abc import Callable

import structlog
from aiohttp import web

from app.api.state import REQUEST_ID, REQUEST_ID_HEADER, Handler, Middleware

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(new_id: Callable[[], str]) -> Middleware:
    """The middleware; the answer's header is set by `on_response_prepare`, so that streams and errors have it too."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        chosen = given if _SANE.fullmatch(given) else new_id()
        request[REQUEST_ID] = chosen
        structlog.contextvars.bind_contextvars(request_id=chosen)
        return await handler(request)

    return middleware
