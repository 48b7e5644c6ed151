"""THE table: every path, its method, what it asks of a key, and its handler."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from app.api.handlers.catalog import Streams
from app.api.handlers.consumers import Groups
from app.api.handlers.events import Events
from app.api.handlers.messages import Messages
from app.api.handlers.offsets import OffsetsOf
from app.api.handlers.operations import Operations
from app.api.handlers.tails import Tails
from app.api.request import Request
from app.api.route import Rights, Route
from app.door.scopes import Right
from app.errors import NotFound

METRICS = "/metrics"
"""What has a port of its own, where one is set."""


class Handlers(NamedTuple):
    """One a resource."""

    messages: Messages
    events: Events
    streams: Streams
    offsets: OffsetsOf
    groups: Groups
    tails: Tails
    operations: Operations


def routes(on: Handlers) -> Sequence[Route]:
    topic = "/streams/{stream}/topics/{topic}"
    return (
        Route("GET", "/health", Right.ANY, on.operations.health),
        Route("GET", "/ready", Right.ANY, on.operations.ready),
        Route("GET", "/stats", Right.ANY, on.operations.stats),
        Route("GET", METRICS, Right.ANY, on.operations.metrics),
        Route("GET", "/openapi.json", Right.ANY, on.operations.openapi),
        Route("POST", "/messages", Right.PRODUCE, on.messages.send),
        Route("GET", "/messages", Right.CONSUME, on.messages.poll),
        Route("POST", "/messages/batch", Right.PRODUCE, on.messages.send_batch),
        Route("POST", f"{topic}/messages", Right.PRODUCE, on.messages.send),
        Route("GET", f"{topic}/messages", Right.CONSUME, on.messages.poll),
        Route("POST", f"{topic}/messages/batch", Right.PRODUCE, on.messages.send_batch),
        Route("GET", f"{topic}/tail", Right.CONSUME, on.tails.tail),
        Route("POST", "/events", Right.PRODUCE, on.events.post),
        Route("GET", "/events", Right.ANY, on.events.find),
        Route("GET", "/events/summary", Right.ANY, on.events.summary),
        Route("GET", "/events/{event_id}", Right.ANY, on.events.show),
        Route("GET", "/streams", Right.ANY, on.streams.list_streams),
        Route("POST", "/streams", Right.ADMIN, on.streams.create_stream),
        Route("GET", "/streams/{stream}", Right.SEE, on.streams.show_stream),
        Route("DELETE", "/streams/{stream}", Right.ADMIN, on.streams.delete_stream),
        Route("GET", "/streams/{stream}/topics", Right.SEE, on.streams.list_topics),
        Route("POST", "/streams/{stream}/topics", Right.ADMIN, on.streams.create_topic),
        Route("GET", topic, Right.SEE, on.streams.show_topic),
        Route("PATCH", topic, Right.ADMIN, on.streams.alter_topic),
        Route("DELETE", topic, Right.ADMIN, on.streams.delete_topic),
        Route("GET", "/consumers", Right.ANY, on.groups.list),
        Route("GET", "/consumers/{group}", Right.ANY, on.groups.show),
        Route("GET", f"{topic}/offsets", Right.CONSUME, on.offsets.show),
        Route("PUT", f"{topic}/offsets", Right.CONSUME, on.offsets.set),
        Route("DELETE", f"{topic}/offsets", Right.CONSUME, on.offsets.forget),
    )


def without_admin(table: Sequence[Route]) -> Sequence[Route]:
    """The table for a port that changes nothing: what only an administrator may do is not there."""
    return [row._replace(handler=_elsewhere) if row.right is Right.ADMIN else row for row in table]


async def _elsewhere(_request: Request) -> NoReturn:
    raise NotFound("this is done at the administrators' port, which ADMIN_PORT sets")


def rights(table: Iterable[Route]) -> Rights:
    """What each route asks of a key."""
    return {(route.method, route.path): route.right for route in table}
