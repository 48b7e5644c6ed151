"""Lets in who may: refuses what has no valid key, and what its key has no right to."""

from collections.abc import Awaitable, Collection
from typing import NoReturn

from app.addresses import network_of
from app.api.answer import Response
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.door.attempts import Attempts
from app.door.keyring import ANYBODY, Refused
from app.door.scopes import Right
from app.errors import Forbidden, TooManyRequests, Unauthorized
from app.names import TopicName
from app.telemetry.metrics import Metrics


def authorise(attempts: Attempts, metrics: Metrics, *, default: TopicName, without_key: Collection[str]) -> Middleware:
    """The middleware. `without_key` has paths as they are on the wire.

    A path means a topic, or a stream as such; `default` is the topic of those that name none. Paths and methods that
    don't exist need a valid key, too: nobody else learns which do.
    """

    def middleware(handler: Handler, route: Route) -> Handler:
        right = route.right
        somewhere = "{stream}" in route.path
        inwards = _told_of(handler, metrics) if right is Right.ANY else handler

        def handle(request: Request) -> Awaitable[Response]:
            call = request.call
            if request.rel_url.raw_path in without_key:
                call.identity = ANYBODY
                return inwards(request)
            identity = call.identity
            if identity.refused:
                refuse(identity.refused, call.address)
            path = request.match_info
            stream, topic = (path["stream"], path.get("topic")) if somewhere else (default.stream, default.topic)
            if not identity.scopes.permit(right, stream, topic):
                metrics.door.refused("forbidden", identity.name)
                raise Forbidden("this API key does not have the right to do this")
            return inwards(request)

        return handle

    def refuse(refused: Refused, address: str) -> NoReturn:
        wait = 0.0 if refused.reason == "missing" else attempts.wrong_key(network_of(address))
        if wait:
            metrics.door.refused("too_many_wrong")
            raise TooManyRequests("too many invalid API keys came from this address", retry_after=wait)
        metrics.door.refused(*refused)
        raise Unauthorized("API key required" if refused.reason == "missing" else "Invalid API key")

    return middleware


def _told_of(handler: Handler, metrics: Metrics) -> Handler:
    """For a route that asks for no right, whose handler may find one missing by itself."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except Forbidden:
            metrics.door.refused("forbidden", request.call.identity.name)
            raise

    return handle
