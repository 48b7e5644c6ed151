"""Every request has an id, on its answer and in its log lines: the client's, if it is a sane one, else a new one."""

import re
from collections.abc import Awaitable, Callable

from app.api.answer import Response
from app.api.call import Call
from app.api.headers import REQUEST_ID_HEADER
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.telemetry.logs import serve_request

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(new_id: Callable[[], str]) -> Middleware:
    """The middleware; the answer's header is set with all others, so that streams and errors have it too."""

    def middleware(handler: Handler, _route: Route) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            given = request.headers.get(REQUEST_ID_HEADER)
            chosen = given if given and _SANE.fullmatch(given) else new_id()
            request.call = Call(chosen)
            serve_request(chosen)
            return handler(request)

        return handle

    return middleware
