"""One metric and one log line a request, taken once the answer is written and what waited for that is settled.

They are told in the next round of the event loop, when the answers of this one have left: nobody waits for them, and
told together they cost half of what they do one by one between other work.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from time import perf_counter

from aiohttp import hdrs
from msgspec import Struct

from app.api.answer import Answer, Response
from app.api.compression import SMALL, compress
from app.api.request import Handler, Request, client_gone
from app.api.rounds import NextRound
from app.api.route import Middleware, Route
from app.telemetry.logger import Logger
from app.telemetry.logs import Bound, bound, get_logger, speak_for
from app.telemetry.metrics import Metrics

_CLIENT_GONE = 499
_QUIET = {"/health", "/ready", "/metrics"}
_METHODS = frozenset(hdrs.METH_ALL)

_log = get_logger(__name__)


class _Told(Struct, frozen=True, gc=False):
    """A request and its answer, when it came and when it was answered, and what its log lines tell."""

    request: Request
    response: Response | None
    status: int
    times: tuple[float, float]
    bound: Bound


def observe(metrics: Metrics) -> Middleware:
    """The middleware. It writes the answer itself: only so are its time and its fate known here.

    An answer that the handler began already is a feed, which a client ends by leaving: that is not 499.
    """

    def middleware(handler: Handler, route: Route) -> Handler:
        told = NextRound(_teller(metrics, route.path))

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
                    told.add(_Told(request, response, status, (started, perf_counter()), bound()))

        return handle

    return middleware


def _teller(metrics: Metrics, route: str) -> Callable[[Iterator[_Told]], None]:
    """What tells of the requests of a route. It keeps what it would look up anew each time."""
    answered, failed, used = metrics.http.answered, metrics.http.failed, metrics.door.used
    log, level = _log.bind(route=route), logging.DEBUG if route in _QUIET else logging.INFO
    logged = log.is_enabled_for(level)

    @lru_cache(maxsize=256)
    def log_of(method: str, key: str | None) -> Logger:
        return log.bind(method=method, key=key) if key else log.bind(method=method)

    def tell(told: Iterator[_Told]) -> None:
        for one in told:
            request, status = one.request, one.status
            call, method = request.call, request.method
            if method not in _METHODS:
                method = "_unknown"
            seconds = answered(method, route, status, one.times, (request.content.total_bytes, request.sent), call)
            used(name := call.identity.name)
            if status >= 400 and isinstance(one.response, Answer) and one.response.error:
                failed(one.response.error)
            if logged:
                speak_for(one.bound)
                ms = round(seconds * 1_000_000) / 1000
                log_of(method, name).log(level, "request", path=request.path, status=status, ms=ms)

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
    return int(response.status)  # HTTPStatus's members are told as numbers
