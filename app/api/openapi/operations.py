"""Every operation in words and types: what it takes, what it answers, how it can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from app.api.openapi import answers
from app.api.parsing.events import EventsQuery, SummaryQuery
from app.api.parsing.messages import BatchBody, BatchQuery, PollQuery, SendBody
from app.api.parsing.offsets import ConsumerQuery, OffsetsBody, OffsetsQuery
from app.api.parsing.tails import LAST_EVENT_ID, TailQuery
from app.api.parsing.topics import StreamBody, TopicBody, TopicChangeBody
from app.event import PlainEvent

ANY = (400, 401, 403, 429, 500, 503, 504)
"""What every operation can answer: framing, the door, mistakes of ours, a broker that is away, a deadline."""

BODY = (408, 413, 415)
SEND = (*BODY, 404, 507)
CHANGE = (*BODY, 507)

TEXT = "text/plain"
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Operation:
    """One method on one path. `answers` are types by status: None for no body, `TEXT` for plain text, `EVENTS` for SSE.

    `errors` are statuses over those of `ANY`. `lines`: the body may also be NDJSON. `open`: it needs no key,
    unless the settings say otherwise. `example` is a body that is taken; `tagged`: the answer has an ETag.
    `headers` are those it takes over the general ones, in words.
    """

    id: str
    tag: str
    summary: str
    answers: Mapping[int, Any]
    errors: tuple[int, ...] = ()
    query: type[BaseModel] | None = None
    body: Any = None
    lines: bool = False
    open: bool = False
    example: Any = None
    tagged: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


_EVENT = {"event_type": "order.noted", "payload": {"type": "Generic", "data": {"order": 17, "note": "paid"}}}


_SEND = Operation(
    "send",
    "messages",
    "Send one event",
    {201: answers.Sent, 200: answers.Sent},
    errors=SEND,
    body=SendBody,
    example={"event": _EVENT, "partition_key": "order-17"},
)
_SEND_BATCH = Operation(
    "sendBatch",
    "messages",
    "Send many events; with `partial` the good ones of them",
    {
        201: list[answers.Sent],
        200: list[answers.Sent],
        207: list[answers.Sent | answers.NotSent],
    },
    errors=SEND,
    query=BatchQuery,
    body=BatchBody,
    lines=True,
    example={"events": [_EVENT, _EVENT]},
)
_POLL = Operation(
    "poll", "messages", "Read messages of a partition", {200: answers.Page}, errors=(404, 409), query=PollQuery
)

_TOPIC = "/streams/{stream}/topics/{topic}"

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation("health", "operations", "How the gateway is doing", {200: answers.Health}, open=True),
    ("GET", "/ready"): Operation("ready", "operations", "Whether it can serve", {200: None, 503: None}, open=True),
    ("GET", "/stats"): Operation("stats", "operations", "Totals, from the background", {200: answers.Stats}),
    ("GET", "/metrics"): Operation("metrics", "operations", "Prometheus text or OpenMetrics", {200: TEXT}),
    ("GET", "/openapi.json"): Operation(
        "openapi", "operations", "This document", {200: dict[str, Any], 304: None}, tagged=True
    ),
    ("POST", "/messages"): _SEND,
    ("GET", "/messages"): _POLL,
    ("POST", "/messages/batch"): _SEND_BATCH,
    ("POST", f"{_TOPIC}/messages"): _SEND,
    ("GET", f"{_TOPIC}/messages"): _POLL,
    ("POST", f"{_TOPIC}/messages/batch"): _SEND_BATCH,
    ("GET", f"{_TOPIC}/tail"): Operation(
        "tail",
        "messages",
        "Messages as they come, as events or as a WebSocket, for as long as the client stays",
        {101: None, 200: EVENTS},
        errors=(404, 406, 409),
        query=TailQuery,
        headers={LAST_EVENT_ID: "The id of the last event that came: go on behind it, whatever `from` says."},
    ),
    ("POST", "/events"): Operation(
        "postEvent",
        "events",
        "Send one event, whose payload is any object, to the default topic",
        {201: dict[str, Any], 200: dict[str, Any]},
        errors=SEND,
        body=PlainEvent,
        example={"event_type": "login", "timestamp": 1767225600, "payload": {"user_id": 1}},
    ),
    ("GET", "/events"): Operation(
        "findEvents",
        "events",
        "Events by their attributes, in the order of their own times; the next page is in `Link`",
        {200: list[dict[str, Any]]},
        errors=(404,),
        query=EventsQuery,
    ),
    ("GET", "/events/summary"): Operation(
        "countEvents",
        "events",
        "How many events there are, by type and time",
        {200: list[answers.EventCount]},
        errors=(404,),
        query=SummaryQuery,
    ),
    ("GET", "/events/{event_id}"): Operation("showEvent", "events", "One event", {200: dict[str, Any]}, errors=(404,)),
    ("GET", "/streams"): Operation("listStreams", "streams", "Every stream", {200: list[answers.StreamView]}),
    ("POST", "/streams"): Operation(
        "createStream",
        "streams",
        "Make a stream",
        {201: answers.StreamView},
        errors=(*CHANGE, 409),
        body=StreamBody,
        example={"name": "orders"},
    ),
    ("GET", "/streams/{stream}"): Operation(
        "showStream", "streams", "One stream", {200: answers.StreamView}, errors=(404,)
    ),
    ("DELETE", "/streams/{stream}"): Operation(
        "deleteStream", "streams", "Delete a stream with its topics", {204: None}, errors=(404, 507)
    ),
    ("GET", "/streams/{stream}/topics"): Operation(
        "listTopics", "topics", "A stream's topics", {200: list[answers.TopicView]}, errors=(404,)
    ),
    ("POST", "/streams/{stream}/topics"): Operation(
        "createTopic",
        "topics",
        "Make a topic",
        {201: answers.TopicView},
        errors=(*CHANGE, 404, 409),
        body=TopicBody,
        example={"name": "paid", "partitions": 3, "retention_ms": 86_400_000},
    ),
    ("GET", _TOPIC): Operation("showTopic", "topics", "One topic", {200: answers.TopicView}, errors=(404,)),
    ("PATCH", _TOPIC): Operation(
        "alterTopic",
        "topics",
        "More partitions, configurations merged into those it has",
        {200: answers.TopicView},
        errors=(*CHANGE, 404),
        body=TopicChangeBody,
        example={"retention_ms": 86_400_000},
    ),
    ("DELETE", _TOPIC): Operation(
        "deleteTopic", "topics", "Delete a topic with its records and offsets", {204: None}, errors=(404, 507)
    ),
    ("GET", "/consumers"): Operation(
        "listGroups", "consumers", "Every consumer group the broker knows", {200: list[answers.Group]}
    ),
    ("GET", "/consumers/{group}"): Operation(
        "showGroup", "consumers", "One consumer group", {200: answers.GroupView}, errors=(404,)
    ),
    ("GET", f"{_TOPIC}/offsets"): Operation(
        "showOffsets",
        "consumers",
        "How far a consumer has read",
        {200: answers.ConsumerOffsets},
        errors=(404,),
        query=ConsumerQuery,
    ),
    ("PUT", f"{_TOPIC}/offsets"): Operation(
        "setOffsets",
        "consumers",
        "Let a consumer go on from elsewhere",
        {200: answers.ConsumerOffsets},
        errors=(*CHANGE, 404, 409),
        query=OffsetsQuery,
        body=OffsetsBody,
        example={"to": "earliest"},
    ),
    ("DELETE", f"{_TOPIC}/offsets"): Operation(
        "forgetOffsets",
        "consumers",
        "Forget a consumer's offsets on a topic",
        {204: None},
        errors=(404, 409, 507),
        query=ConsumerQuery,
    ),
}
"""By method and path, as in `routes`: a test holds the two together."""
