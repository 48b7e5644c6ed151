"""Values to bytes: the answers' bodies, and the one table from error to status."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast

from msgspec import UNSET, Struct, UnsetType, json

from app import errors
from app.api.answer import Answer
from app.errors import Detail, OutcomeName, SluiceError
from app.gateway.catalog import Stream, Topic
from app.gateway.message import Message
from app.names import TopicName
from app.record import Failed, Outcome, Written

STATUS: dict[type[SluiceError], int] = {
    SluiceError: 500,
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.NotAcceptable: 406,
    errors.RequestTooSlow: 408,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.PayloadTooLarge: 413,
    errors.MessageTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.StorageFull: 507,
}

_encode = json.Encoder().encode


def status_of(error: SluiceError) -> int:
    """The status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def json_response(value: Any, *, status: int = 200) -> Answer:
    """Any JSON value."""
    return Answer(_encode(value), status=status)


def json_bytes(value: Any) -> bytes:
    """Any JSON value."""
    return _encode(value)


def error_body(error: SluiceError, request_id: str, *, outcome: OutcomeName | None) -> dict[str, Any]:
    """The one shape of all errors; `outcome` is told where records were at stake."""
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    if error.details is not None:
        body["details"] = error.details
    if outcome is not None:
        body["outcome"] = outcome
    return body | {"request_id": request_id}


def error_response(error: SluiceError, request_id: str, *, outcome: OutcomeName | None = None) -> Answer:
    """The error's answer; what is worth another try says when, and who is not known how to become so."""
    response = json_response(error_body(error, request_id, outcome=outcome), status=status_of(error))
    response.error = error.code
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = "API-Key"
    return response


@lru_cache(maxsize=4096)
def time_text(milliseconds: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent_one(topic: TopicName, message: Message, outcome: Outcome) -> Answer:
    """A single send: 201, or 200 for a repeat. A failure is raised, to get the error shape."""
    if isinstance(outcome, Failed):
        raise outcome.error
    return Answer(_encode(_written(topic, message, outcome)), 200 if outcome.duplicate else 201)


def sent_many(topic: TopicName, messages: Sequence[Message | SluiceError], outcomes: Sequence[Outcome]) -> Answer:
    """A batch: 201, 200 when all were repeats, 207 when some failed. All failed is raised as one error."""
    failed = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    if len(failed) == len(outcomes):
        unknown = any(error.outcome == errors.UNKNOWN for error in failed)
        details = [_failed(_event_id(message), error) for message, error in zip(messages, failed, strict=True)]
        raise type(failed[0])(
            failed[0].message, details=details, outcome=errors.UNKNOWN if unknown else errors.NOT_WRITTEN
        )
    items = [_sent(topic, message, outcome) for message, outcome in zip(messages, outcomes, strict=True)]
    if failed:
        return json_response(items, status=HTTPStatus.MULTI_STATUS)
    stored = any(not outcome.duplicate for outcome in outcomes if not isinstance(outcome, Failed))
    return json_response(items, status=HTTPStatus.CREATED if stored else HTTPStatus.OK)


class _Sent(Struct, gc=False):
    """A message that stands on the log. A struct, which takes half of what a dict does, for a batch makes a hundred."""

    success: bool
    event_id: str | None
    stream: str
    topic: str
    partition: int
    offset: int
    timestamp: str
    duplicate: bool | UnsetType = UNSET


def _sent(topic: TopicName, message: Message | SluiceError, outcome: Outcome) -> _Sent | Detail:
    if isinstance(outcome, Failed):
        return _failed(_event_id(message), outcome.error)
    return _written(topic, cast(Message, message), outcome)


def _written(topic: TopicName, message: Message, outcome: Written) -> _Sent:
    return _Sent(
        True,  # noqa: FBT003  # by position, as all of them: names cost a third
        message.event.id if message.event else None,
        topic.stream,
        topic.topic,
        outcome.partition,
        outcome.offset,
        time_text(outcome.timestamp_ms),
        outcome.duplicate or UNSET,
    )


def _event_id(message: Message | SluiceError) -> str | None:
    return message.event.id if isinstance(message, Message) and message.event else None


def _failed(event_id: str | None, error: SluiceError) -> Detail:
    item: dict[str, Any] = {"success": False, "event_id": event_id, "error": error.code, "message": error.message}
    if error.details is not None:
        item["details"] = error.details
    return item | {"outcome": error.outcome}


def stream_body(stream: Stream) -> dict[str, Any]:
    """A stream as API 5 shows it."""
    return {
        "name": stream.name,
        "created_at": time_text(stream.created_ms) if stream.created_ms is not None else None,
        "topics_count": stream.topics_count,
        "messages_count": stream.messages_count,
        "size_bytes": stream.size_bytes,
    }


def topic_body(topic: Topic) -> dict[str, Any]:
    """A topic as API 5 shows it."""
    return {
        "name": topic.name.topic,
        "stream": topic.name.stream,
        "created_at": time_text(topic.created_ms) if topic.created_ms is not None else None,
        "partitions_count": len(topic.info.partitions),
        "messages_count": topic.info.messages,
        "size_bytes": topic.info.size_bytes,
        "configs": dict(topic.info.configs),
        "partitions": [
            {
                "partition_id": p.partition,
                "leader": p.leader,
                "replicas": p.replicas,
                "in_sync": p.in_sync,
                "log_start_offset": p.log_start_offset,
                "high_watermark": p.high_watermark,
            }
            for p in topic.info.partitions
        ],
    }
