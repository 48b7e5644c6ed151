"""One metric and one log line a request, taken once the answer is written and what waited for that is settled.

They are told after the round of the event loop, when its answers have left: nobody waits for them, and told together
they cost half of what they do one by one between other work.
"""

import logging
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable
from time import perf_counter

from aiohttp import hdrs

from app.api.answer import Answer, Response
from app.api.compression import SMALL, compress
from app.api.request import Handler, Request, client_gone
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

    def middleware(handler: Handler, route: Route) -> Handler:
        tell = _teller(metrics, route.path)

        async def handle(request: Request) -> Response:
            started = perf_counter()
            response: Response | None = None
            try:
                try:
                    response = await handler(request)
                finally:
                    request.call.end()  # a client that takes its answer slowly holds nothing of what others need
                if rest := _written(request, response):
                    await rest
                if request.call.delivery:
                    request.send()  # before anything is committed
            except ConnectionError:
                if not client_gone(request):
                    raise
                return Answer(status=_CLIENT_GONE, keep_alive=False)
            else:
                return response
            finally:
                status = _fate(request, response)
                try:
                    if delivery := request.call.delivery:
                        await delivery.settle(status != _CLIENT_GONE)
                finally:
                    get_running_loop().call_soon(tell, request, response, status, (started, perf_counter()))

        return handle

    return middleware


def _teller(metrics: Metrics, route: str) -> Callable[[Request, Response | None, int, tuple[float, float]], None]:
    """What tells of the requests of a route. It keeps what it would look up anew each time."""
    answered, failed, used = metrics.http.answered, metrics.http.failed, metrics.door.used
    log, level = _log.bind(route=route), logging.DEBUG if route in _QUIET else logging.INFO
    logged = log.is_enabled_for(level)

    def tell(request: Request, response: Response | None, status: int, times: tuple[float, float]) -> None:
        call = request.call
        name = call.identity.name
        method = request.method if request.method in _METHODS else "_unknown"
        sizes, whose = (request.content.total_bytes, request.sent), (call.request_id, call.traceparent)
        seconds = answered(method, route, status, times=times, sizes=sizes, whose=whose)
        used(name)
        if status >= 400 and isinstance(response, Answer) and response.error:
            failed(response.error)
        if logged:
            key = {"key": name} if name else {}
            ms = round(seconds * 1000, 3)
            log.log(level, "request", method=method, path=request.path, status=status, ms=ms, **key)

    return tell


def _written(request: Request, response: Response) -> Awaitable[None] | None:
    """Write the answer, or the end of a feed; what there is to wait for."""
    if not isinstance(response, Answer):
        return response.write_eof()
    return _compressed(request, response) if len(response.body) > SMALL else request.answer(response)


async def _compressed(request: Request, answer: Answer) -> None:
    await compress(request, answer)
    if rest := request.answer(answer):
        await rest


def _fate(request: Request, response: Response | None) -> int:
    """The status that the client was told, as far as that can be known."""
    if response is None or (isinstance(response, Answer) and (not response.size or client_gone(request))):
        return _CLIENT_GONE
    return response.status
