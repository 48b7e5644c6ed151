"""The rate limit: so many requests a second for each valid key, else for each client address."""

from collections.abc import Awaitable

from app.api.answer import Response
from app.api.call import Call, caller_of
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.door.keys import Key
from app.door.limits import Demand, Limiter, Verdict
from app.errors import TooManyRequests
from app.telemetry.metrics import Metrics

FREE = frozenset({"/health", "/ready", "/metrics"})
"""Not limited: who watches over the gateway must always hear from it."""


def limit(limiter: Limiter, metrics: Metrics, *, rps: float, burst: int) -> Middleware:
    """The middleware; what it says of the caller's bucket goes into the headers of every limited answer.

    A key's own numbers go before `rps` and `burst`; a rate of 0 limits nothing.
    """

    def middleware(handler: Handler, route: Route) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            call = request.call
            rate, size = bucket_of(call.identity.key)
            if rate:
                verdict = limiter.take(Demand(caller_of(call), rate, size))
                if not isinstance(verdict, Verdict):
                    return later(request, verdict)
                heed(call, verdict)
            return handler(request)

        async def later(request: Request, coming: Awaitable[Verdict]) -> Response:
            heed(request.call, await coming)
            return await handler(request)

        return handler if route.path in FREE else handle

    def heed(call: Call, verdict: Verdict) -> None:
        call.limit = verdict
        if verdict.wait:
            metrics.door.refused("rate_limited", call.identity.name)
            raise TooManyRequests("too many requests", retry_after=verdict.wait)

    def bucket_of(key: Key | None) -> tuple[float, int]:
        if key is None:
            return rps, burst
        rate, size = key.rate_limit_rps, key.rate_limit_burst
        return rps if rate is None else rate, burst if size is None else max(1, int(size))

    return middleware
