"""A span a request; what it makes on the log belongs to the same trace. Not there unless spans are sent somewhere."""

from typing import TYPE_CHECKING

from app.api.answer import Response
from app.api.request import Handler, Request
from app.api.route import Middleware, Route

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing


def trace(tracing: "Tracing") -> Middleware:
    """The middleware. It stands outside `observe`, whose line tells the trace, and which writes the answer."""

    def middleware(handler: Handler, route: Route) -> Handler:
        async def handle(request: Request) -> Response:
            with tracing.request(request.method, route.path, request.path, request.headers) as span:
                request.call.traceparent = span.traceparent
                response = await handler(request)
                span.answered(response.status)
                return response

        return handle

    return middleware
