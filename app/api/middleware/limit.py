"""The rate limit: so many requests a second for each valid key, else for each client address."""

from aiohttp import web

from app.addresses import network_of
from app.api.state import CALL, Call, Handler, Middleware
from app.door.keyring import UNKNOWN_KEY
from app.door.limits import RateLimiter, Verdict
from app.errors import TooManyRequests
from app.telemetry.metrics import Metrics

FREE = frozenset({"/health", "/ready", "/metrics"})
"""Not limited: who watches over the gateway must always hear from it."""


def limit(limiter: RateLimiter, metrics: Metrics) -> Middleware:
    """The middleware; what it says of the caller's bucket goes into the headers of every limited answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.rel_url.raw_path not in FREE:
            call = request[CALL]
            verdict = call.limit = _take(limiter, call)
            if verdict is not None and verdict.wait:
                metrics.refusals.labels("rate_limited", call.identity.name or UNKNOWN_KEY).inc()
                raise TooManyRequests("too many requests", retry_after=verdict.wait)
        return await handler(request)

    return middleware


def _take(limiter: RateLimiter, call: Call) -> Verdict | None:
    identity = call.identity
    if identity.name is None:
        return limiter.take(network_of(call.address))
    key = identity.key
    if key is None:
        return limiter.take(f"key {identity.name}")
    burst = key.rate_limit_burst
    return limiter.take(f"key {identity.name}", key.rate_limit_rps, None if burst is None else max(1, int(burst)))
