"""The rate limit: so many requests a second for each valid key, else for each client address."""

from aiohttp import web

from app.api.state import CALL, Handler, Middleware, caller_of
from app.door.keys import Key
from app.door.limits import Demand, Limiter
from app.errors import TooManyRequests
from app.telemetry.metrics import Metrics

FREE = frozenset({"/health", "/ready", "/metrics"})
"""Not limited: who watches over the gateway must always hear from it."""


def limit(limiter: Limiter, metrics: Metrics, *, rps: float, burst: int) -> Middleware:
    """The middleware; what it says of the caller's bucket goes into the headers of every limited answer.

    A key's own numbers go before `rps` and `burst`; a rate of 0 limits nothing.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        call = request[CALL]
        rate, size = bucket_of(call.identity.key)
        if rate and call.route not in FREE:
            verdict = call.limit = await limiter.take(Demand(caller_of(call), rate, size))
            if verdict.wait:
                metrics.refused("rate_limited", call.identity.name)
                raise TooManyRequests("too many requests", retry_after=verdict.wait)
        return await handler(request)

    def bucket_of(key: Key | None) -> tuple[float, int]:
        if key is None:
            return rps, burst
        rate, size = key.rate_limit_rps, key.rate_limit_burst
        return rps if rate is None else rate, burst if size is None else max(1, int(size))

    return middleware
