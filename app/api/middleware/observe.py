"""One metric and one log line a request, taken once the answer is written; then what waited for that is settled."""

from collections.abc import Callable
from functools import cache
from time import perf_counter

from aiohttp import hdrs, web

from app.api.state import CALL, Handler, Middleware, client_gone
from app.telemetry.logs import get_logger
from app.telemetry.metrics import Metrics

_CLIENT_GONE = 499
_QUIET = {"/health", "/ready", "/metrics"}
_METHODS = frozenset(hdrs.METH_ALL)

_log = get_logger(__name__)


def observe(metrics: Metrics) -> Middleware:
    """The middleware. It writes the answer itself: only so are its time and its fate known here."""
    tell = _teller(metrics)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = perf_counter()
        status = _CLIENT_GONE
        try:
            response = await handler(request)
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            if not client_gone(request):
                raise
            return web.Response(status=_CLIENT_GONE)
        else:
            if not client_gone(request):
                status = response.status
            return response
        finally:
            if delivery := request[CALL].delivery:
                await delivery.settle(status != _CLIENT_GONE)
            tell(request, status, perf_counter() - started)

    return middleware


def _teller(metrics: Metrics) -> Callable[[web.Request, int, float], None]:
    """What tells of a request. It keeps what it would look up anew each time: the logger, and the metric by labels."""
    duration = cache(metrics.http_request_duration.labels)
    log = _log.bind()

    def tell(request: web.Request, status: int, seconds: float) -> None:
        call = request[CALL]
        method = request.method if request.method in _METHODS else "_unknown"
        duration(method, call.route, status).observe(seconds)
        line = log.debug if call.route in _QUIET else log.info
        name = call.identity.name
        key = {"key": name} if name else {}
        ms = round(seconds * 1000, 3)
        line("request", method=method, route=call.route, path=request.path, status=status, ms=ms, **key)

    return tell
