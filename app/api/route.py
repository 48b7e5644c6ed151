"""One way in, and what stands before it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from app.api.request import Handler
from app.door.scopes import Right


class Route(NamedTuple):
    """`path` is a template such as `/streams/{stream}`, `right` what it asks of a key."""

    method: str
    path: str
    right: Right
    handler: Handler


Rights = Mapping[tuple[str, str], Right]
"""What each route asks of a key, by method and template."""

UNKNOWN_ROUTE = "_unknown"
"""The path of what is no route."""

Middleware = Callable[[Handler, Route], Handler]
"""Puts itself before a handler, once for each route: what depends on the route alone is settled then."""


def composed(route: Route, middlewares: Sequence[Middleware]) -> Handler:
    """The route's handler behind all of them, the first outermost."""
    handler = route.handler
    for middleware in reversed(middlewares):
        handler = middleware(handler, route)
    return handler
