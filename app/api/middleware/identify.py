"""Finds out whose request it is, by its key, and from where. Refuses nobody: that comes behind the rate limit."""

from aiohttp import hdrs, web
from multidict import istr

from app.addresses import TrustedProxies
from app.api.state import CALL, Handler, Middleware
from app.door.keyring import Identify

HEADER = istr("X-API-Key")
QUERY = "api_key"
FORWARDED_FOR = hdrs.X_FORWARDED_FOR
REAL_IP = istr("X-Real-IP")


def identify(whose: Identify, proxies: TrustedProxies, *, in_query: bool) -> Middleware:
    """The middleware. `whose` says it by the keys presented; `in_query` whether `?api_key=` is taken, too."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        call, headers = request[CALL], request.headers
        call.identity = whose(presented(request, in_query=in_query))
        peer = request.remote or ""
        if proxies:
            peer = proxies.client(peer, headers.getall(FORWARDED_FOR, ()), headers.get(REAL_IP))
        call.address = peer
        return await handler(request)

    return middleware


def presented(request: web.Request, *, in_query: bool) -> set[str]:
    """Every key the request names, wherever it does."""
    headers = request.headers
    keys = set(headers.getall(HEADER, ()))
    for credentials in headers.getall(hdrs.AUTHORIZATION, ()):
        scheme, _, token = credentials.partition(" ")
        if scheme.lower() == "bearer":
            keys.add(token.strip())
    if in_query:
        keys.update(request.query.getall(QUERY, ()))
    keys.discard("")
    return keys
