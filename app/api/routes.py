"""THE table: every path, its method and its handler."""

from collections.abc import Sequence

from aiohttp import web

from app.api.body import defer_continue
from app.api.handlers.catalog import Streams
from app.api.handlers.consumers import Groups
from app.api.handlers.messages import Messages
from app.api.handlers.offsets import OffsetsOf
from app.api.handlers.operations import Operations


def routes(
    messages: Messages, streams: Streams, offsets: OffsetsOf, groups: Groups, operations: Operations
) -> Sequence[web.RouteDef]:
    topic = "/streams/{stream}/topics/{topic}"
    table = (
        ("GET", "/health", operations.health),
        ("GET", "/ready", operations.ready),
        ("GET", "/stats", operations.stats),
        ("GET", "/metrics", operations.metrics),
        ("GET", "/openapi.json", operations.openapi),
        ("POST", "/messages", messages.send),
        ("GET", "/messages", messages.poll),
        ("POST", "/messages/batch", messages.send_batch),
        ("POST", f"{topic}/messages", messages.send),
        ("GET", f"{topic}/messages", messages.poll),
        ("POST", f"{topic}/messages/batch", messages.send_batch),
        ("GET", "/streams", streams.list_streams),
        ("POST", "/streams", streams.create_stream),
        ("GET", "/streams/{stream}", streams.show_stream),
        ("DELETE", "/streams/{stream}", streams.delete_stream),
        ("GET", "/streams/{stream}/topics", streams.list_topics),
        ("POST", "/streams/{stream}/topics", streams.create_topic),
        ("GET", topic, streams.show_topic),
        ("PATCH", topic, streams.alter_topic),
        ("DELETE", topic, streams.delete_topic),
        ("GET", "/consumers", groups.list),
        ("GET", "/consumers/{group}", groups.show),
        ("GET", f"{topic}/offsets", offsets.show),
        ("PUT", f"{topic}/offsets", offsets.set),
        ("DELETE", f"{topic}/offsets", offsets.forget),
    )
    return [web.route(method, path, handler, expect_handler=defer_continue) for method, path, handler in table]
