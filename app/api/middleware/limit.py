"""The rate limit: so many requests a second for each valid key, else for each client address."""

from aiohttp import web

from app.api.state import CALL, Call, Handler, Middleware, caller_of
from app.door.limits import Demand, Limiter, Verdict
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
        if request.rel_url.raw_path not in FREE:
            call = request[CALL]
            verdict = call.limit = await _take(limiter, call, rps, burst)
            if verdict is not None and verdict.wait:
                metrics.refused("rate_limited", call.identity.name)
                raise TooManyRequests("too many requests", retry_after=verdict.wait)
        return await handler(request)

    return middleware


async def _take(limiter: Limiter, call: Call, rate: float, size: int) -> Verdict | None:
    key = call.identity.key
    if key is not None:
        rate = rate if key.rate_limit_rps is None else key.rate_limit_rps
        size = size if key.rate_limit_burst is None else max(1, int(key.rate_limit_burst))
    if not rate:
        return None
    [verdict] = await limiter.take(Demand(caller_of(call), rate, size))
    return verdict
