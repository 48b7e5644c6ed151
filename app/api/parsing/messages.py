"""Bytes to values: what a request's body and query say, checked whole. Afterwards types are trusted."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NotRequired

import msgspec
from msgspec import Raw
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import TypedDict

from app.api.parsing import glance
from app.api.parsing.refusals import checked, refusal
from app.api.parsing.strict import strict_json
from app.errors import BadRequest, Detail, SluiceError, ValidationFailed
from app.event import Event, EventEncoder
from app.gateway.consumer import Poll
from app.gateway.message import RESERVED_HEADERS, Message
from app.names import CONSUMER_ID, consumer_id
from app.record import Limit

MAX_HEADERS = 32
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_raws = msgspec.json.Decoder(dict[str, Raw]).decode
_raw_list = msgspec.json.Decoder(list[Raw]).decode


def _key(text: str) -> str:
    if not glance.is_key(text):
        raise PydanticCustomError("partition_key", "must be 1–255 bytes of text")
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > MAX_HEADERS:
        raise PydanticCustomError("headers", "must be at most {most}", {"most": MAX_HEADERS})
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS:
            raise PydanticCustomError("headers", "{name} can't be used as a name", {"name": repr(name)})
        if "\x00" in text or len(text.encode()) > 4096:
            raise PydanticCustomError("headers", "{name} must be at most 4096 bytes, without NUL", {"name": repr(name)})
    return headers


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,19}", value):
        raise PydanticCustomError("number", "must be a whole number, not negative, in digits")
    return value


Key = Annotated[str, AfterValidator(_key), Field(json_schema_extra={"minLength": 1, "maxLength": 255})]
PartitionId = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
ClientHeaders = Annotated[dict[str, str], AfterValidator(_headers)]
Digits = BeforeValidator(_digits)
"""A query has texts only; pydantic alone would also take '+1' and '1_0'."""

ConsumerId = Annotated[str, Field(json_schema_extra={"pattern": f"^{CONSUMER_ID.pattern}$"})]


class ShownAs:
    """What a member is in the OpenAPI document, where it is validated elsewhere, after the rest."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __get_pydantic_json_schema__(self, _core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(self._kind).core_schema)


class Body(BaseModel):
    """Unknown members of a request are refused: a misspelt option must not be lost in silence."""

    model_config = ConfigDict(extra="forbid")


@with_config(ConfigDict(extra="forbid"))
class SendBody(TypedDict):
    """A message: an event (null: a tombstone, on a compacted topic), and what decides its partition."""

    # A typed dictionary, for there is one a record: a model costs twice as much. The event is validated for itself.
    event: Annotated[Any, ShownAs(Event | None)]
    partition_key: NotRequired[Key | None]
    partition_id: NotRequired[PartitionId | None]
    headers: NotRequired[ClientHeaders | None]


_send_body: Callable[[Any], SendBody] = TypeAdapter(SendBody).validator.validate_python


def either(*members: str) -> dict[str, Any]:
    """For the document: exactly one of these members."""
    return {"oneOf": [{"required": [member]} for member in members]}


SomeEvents = Annotated[list[Event], Field(min_length=1)]
SomeMessages = Annotated[list[SendBody], Field(min_length=1)]


class BatchBody(Body):
    """`events` or `messages`, not both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=either("events", "messages"))

    events: Annotated[list[Any], ShownAs(SomeEvents)] = Field(default_factory=list)
    messages: Annotated[list[Any], ShownAs(SomeMessages)] = Field(default_factory=list)
    partition_key: Key | None = None


class PollQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    partition_id: Annotated[int, Field(ge=0, lt=2**31), Digits] = 0
    offset: Annotated[int, Field(ge=0, lt=2**63), Digits] | None = None
    count: Annotated[int, Field(ge=1), Digits] = 10
    consumer_id: ConsumerId = "1"
    auto_commit: bool = False
    wait_ms: Annotated[int, Field(ge=0, le=30_000), Digits] = 0
    max_bytes: Annotated[int, Field(ge=1, lt=2**31), Digits] = 1 << 20


class BatchQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    partial: bool = False


Item = Message | SluiceError
"""A batch's message, or why it can't be one."""


class Parser:
    """Reads the bodies of sends. `most` is the largest number of events in a batch."""

    def __init__(self, encoder: EventEncoder, *, most: int) -> None:
        self._encoder = encoder
        self._most = most

    def send(self, body: bytes) -> Message:
        """One message. Raises BadRequest, ValidationFailed."""
        return glance.message_in(body, self._encoder) or self.send_closely(body)

    def send_closely(self, body: bytes) -> Message:
        """The same, not taken at a glance."""
        parsed, raw = _document(body)
        item = _message(self._encoder, parsed, raw, None)
        if isinstance(item, SluiceError):
            raise item
        return item

    def plain(self, body: bytes) -> Message:
        """An event as `/events` takes it, whose payload is any object. Raises BadRequest, ValidationFailed."""
        parsed, raw = _document(body)
        try:
            return Message(self._encoder.encode_plain(parsed, raw))
        except ValidationError as error:
            raise refusal(error) from None

    def batch(self, body: bytes) -> list[Item]:
        """The messages of `{"events": […]}` or `{"messages": […]}`, each read for itself."""
        items = glance.items_in(body)
        if items is None:
            return self.batch_closely(body)
        self._check_count(len(items.raws))
        encoder, key = self._encoder.at_once(), items.key
        look, read = (glance.message_with, _event) if items.events else (glance.message_of, _message)
        return [look(raw, encoder, key) or read(encoder, strict_json(raw), raw, key) for raw in items.raws]

    def batch_closely(self, body: bytes) -> list[Item]:
        """The same, not taken at a glance."""
        parsed, raw = _document(body)
        if not isinstance(parsed, dict) or ("events" in parsed) == ("messages" in parsed):
            raise ValidationFailed.of("body", "must be an object with either 'events' or 'messages'")
        kind = "events" if "events" in parsed else "messages"
        key = checked(BatchBody.model_validate, parsed).partition_key
        raws = _raw_list(_raws(raw)[kind])
        self._check_count(len(raws))
        read, encoder = _event if kind == "events" else _message, self._encoder.at_once()
        return [read(encoder, item, raw_item, key) for item, raw_item in zip(parsed[kind], raws, strict=True)]

    def lines(self, body: bytes) -> list[Item]:
        """The messages of NDJSON: a line with a member `event` is a message, any other an event; blanks are none."""
        lines = [line for line in body.split(b"\n") if line.strip()]
        self._check_count(len(lines))
        encoder = self._encoder.at_once()
        return [_line(encoder, line) for line in lines]

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= self._most:
            raise ValidationFailed.of("events", f"a batch holds 1 to {self._most} events, this one has {count}")


def refused_batch(items: Sequence[Item]) -> SluiceError:
    """One error that tells of every bad item by its index."""
    errors = [(index, item) for index, item in enumerate(items) if isinstance(item, SluiceError)]
    details = [{"index": index, **detail} for index, error in errors for detail in _details(error)]
    index, first = errors[0]
    return ValidationFailed(f"event {index}: {first.message}", details=details)


def poll_query(query: Mapping[str, str], *, most: int) -> Poll:
    """What a poll asks for; `count` is silently capped at `most`. Raises ValidationFailed."""
    asked = checked(PollQuery.model_validate, dict(query))
    return Poll(
        partition=asked.partition_id,
        offset=asked.offset,
        limit=Limit(min(asked.count, most), asked.max_bytes),
        consumer_id=consumer_id(asked.consumer_id),
        auto_commit=asked.auto_commit,
        wait=asked.wait_ms / 1000,
    )


def wants_partial(query: Mapping[str, str]) -> bool:
    """Whether a batch may be taken in part. Raises ValidationFailed."""
    return "partial" in query and checked(BatchQuery.model_validate, dict(query)).partial


def _document(body: bytes) -> tuple[Any, bytes]:
    """The document twice: parsed, and as it was written but for insignificant whitespace."""
    return strict_json(body), msgspec.json.format(body, indent=-1)


def _line(encoder: EventEncoder, line: bytes) -> Item:
    return glance.line_in(line, encoder) or _line_closely(encoder, line)


def _line_closely(encoder: EventEncoder, line: bytes) -> Item:
    try:
        parsed, raw = _document(line)
    except BadRequest as error:
        return error
    message = isinstance(parsed, dict) and "event" in parsed
    return (_message if message else _event)(encoder, parsed, raw, None)


def _event(encoder: EventEncoder, parsed: Any, raw: bytes | Raw, batch_key: str | None) -> Item:
    try:
        return Message(encoder.encode(parsed, raw), batch_key)
    except ValidationError as error:
        return refusal(error)


def _message(encoder: EventEncoder, parsed: Any, raw: bytes | Raw, batch_key: str | None) -> Item:
    if not isinstance(parsed, dict):
        return ValidationFailed.of("body", "must be a JSON object")
    event, within = None, ""
    try:
        body = _send_body(parsed)
        if body["event"] is not None:
            within = "event"
            event = encoder.encode(parsed["event"], _raws(raw)["event"])
    except ValidationError as error:
        return refusal(error, within=within)
    return Message(event, body.get("partition_key") or batch_key, body.get("partition_id"), body.get("headers"))


def _details(error: SluiceError) -> Iterable[Detail]:
    return error.details or [{"field": "", "message": error.message}]
