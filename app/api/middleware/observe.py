"""One metric and one log line a request, taken once the answer is written; then what waited for that is settled."""

import logging
from collections.abc import Callable
from time import perf_counter

from aiohttp import hdrs, web

from app.api.request import Handler, Request, client_gone
from app.api.responses import ERROR
from app.api.route import Middleware, Route
from app.telemetry.logs import get_logger
from app.telemetry.metrics import Metrics

_CLIENT_GONE = 499
_QUIET = {"/health", "/ready", "/metrics"}
_METHODS = frozenset(hdrs.METH_ALL)

_log = get_logger(__name__)


def observe(metrics: Metrics) -> Middleware:
    """The middleware. It writes the answer itself: only so are its time and its fate known here.

    An answer that the handler began already is a feed, which a client ends by leaving: that is not 499.
    """
    tell = _teller(metrics)

    def middleware(handler: Handler, route: Route) -> Handler:
        level = logging.DEBUG if route.path in _QUIET else logging.INFO

        async def handle(request: Request) -> web.StreamResponse:
            started = perf_counter()
            status, response, feed = _CLIENT_GONE, None, False
            try:
                response = await handler(request)
                feed = response.prepared
                await response.prepare(request)
                await response.write_eof()
                if request.call.delivery:
                    request.send()  # before anything is committed
            except ConnectionError:
                if not client_gone(request):
                    raise
                if response is not None and feed:
                    status = response.status
                return web.Response(status=_CLIENT_GONE)
            else:
                if feed or not client_gone(request):
                    status = response.status
                return response
            finally:
                if delivery := request.call.delivery:
                    await delivery.settle(status != _CLIENT_GONE)
                tell(request, route.path, response, status, started, level)

        return handle

    return middleware


def _teller(metrics: Metrics) -> Callable[[Request, str, web.StreamResponse | None, int, float, int], None]:
    """What tells of a request. It keeps what it would look up anew each time."""
    answered, failed, used = metrics.http.answered, metrics.http.failed, metrics.door.used
    log = _log.bind()

    def tell(
        request: Request, route: str, response: web.StreamResponse | None, status: int, started: float, level: int
    ) -> None:
        call = request.call
        name = call.identity.name
        method = request.method if request.method in _METHODS else "_unknown"
        sent = response.body_length if response is not None else 0
        received, whose = request.content.total_bytes, (call.request_id, call.traceparent)
        seconds = answered(method, route, status, started=started, received=received, sent=sent, whose=whose)
        used(name)
        if status >= 400 and response is not None and (code := response.get(ERROR)):
            failed(code)
        if log.is_enabled_for(level):
            key = {"key": name} if name else {}
            ms = round(seconds * 1000, 3)
            log.log(level, "request", method=method, route=route, path=request.path, status=status, ms=ms, **key)

    return tell
