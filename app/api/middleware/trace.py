"""A span a request; what it makes on the log belongs to the same trace. Not there unless spans are sent somewhere."""

from typing import TYPE_CHECKING

from aiohttp import web

from app.api.state import CALL, Handler, Middleware

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing


def trace(tracing: "Tracing") -> Middleware:
    """The middleware. It stands outside `observe`, whose line tells the trace, and which writes the answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        call = request[CALL]
        with tracing.request(request.method, call.route, request.path, request.headers) as span:
            call.traceparent = span.traceparent
            response = await handler(request)
            span.answered(response.status)
            return response

    return middleware
