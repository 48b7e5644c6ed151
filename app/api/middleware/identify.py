"""Finds out whose request it is, by its key, and from where. Refuses nobody: that comes behind the rate limit."""

from collections.abc import Awaitable, Collection

from aiohttp import hdrs
from multidict import istr

from app.addresses import TrustedProxies
from app.api.answer import Response
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.door.keyring import Identify

HEADER = istr("X-API-Key")
QUERY = "api_key"
FORWARDED_FOR = hdrs.X_FORWARDED_FOR
REAL_IP = istr("X-Real-IP")


def identify(whose: Identify, proxies: TrustedProxies, *, in_query: bool) -> Middleware:
    """The middleware. `whose` says it by the keys presented; `in_query` whether `?api_key=` is taken, too."""
    behind_proxies = bool(proxies)

    def middleware(handler: Handler, _route: Route) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            call = request.call
            call.identity = whose(presented(request, in_query=in_query))
            peer = request.peer
            if behind_proxies:
                headers = request.headers
                peer = proxies.client(peer, headers.getall(FORWARDED_FOR, ()), headers.get(REAL_IP))
            call.address = peer
            return handler(request)

        return handle

    return middleware


def presented(request: Request, *, in_query: bool) -> Collection[str]:
    """Every key the request names, wherever it does."""
    headers = request.headers
    keys = headers.getall(HEADER, ())
    if len(keys) == 1 and keys[0] and hdrs.AUTHORIZATION not in headers and not in_query:  # as nearly always
        return keys
    found = set(keys)
    for credentials in headers.getall(hdrs.AUTHORIZATION, ()):
        scheme, _, token = credentials.partition(" ")
        if scheme.lower() == "bearer":
            found.add(token.strip())
    if in_query:
        found.update(request.query.getall(QUERY, ()))
    found.discard("")
    return found
