"""The event: its envelope, its payloads, and its one form on the log.

An event is validated as a whole, but what the client wrote is kept to the digit: the members of its JSON are sliced
out and joined again, and only the id, the timestamp and the money of orders are written anew.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from app.common_event import common_event

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+")
NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise PydanticCustomError("email", "must be an e-mail address")
    return text


def _ip_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise PydanticCustomError("ip_address", "must be an IPv4 or IPv6 address") from None
    return text


def _exact(value: object) -> object:
    """Money as digits only; pydantic alone would also take '1_000' and ' 1 '."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise PydanticCustomError("money", "must be a decimal number")
    return value


def moment_of(value: object) -> datetime:
    """RFC 3339 text or epoch seconds (https://www.rfc-editor.org/rfc/rfc3339), in UTC, cut to microseconds."""
    try:
        if isinstance(value, str):
            moment = msgspec.convert(value, datetime)
            if moment.tzinfo is None:
                raise PydanticCustomError("timestamp", "must say its offset from UTC, such as Z or +02:00")
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (msgspec.ValidationError, ValueError, OverflowError, OSError):
        pass
    raise PydanticCustomError("timestamp", "must be an RFC 3339 time or a number of seconds since 1970")


def microseconds(moment: datetime) -> int:
    """Since the epoch."""
    return (moment - EPOCH) // _MICROSECOND


UUID_PATTERN = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
UuidText = Annotated[
    str, StringConstraints(pattern=UUID_PATTERN, to_lower=True), Field(json_schema_extra={"format": "uuid"})
]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]
EventType = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]
Money = Annotated[Decimal, Field(ge=0, max_digits=38, allow_inf_nan=False), BeforeValidator(_exact)]
Email = Annotated[str, AfterValidator(_email)]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Moment = Annotated[
    datetime,
    BeforeValidator(moment_of),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]


class UserCreated(TypedDict):
    action: Literal["Created"]
    user_id: UuidText
    email: Email
    name: str


class UserUpdated(TypedDict):
    action: Literal["Updated"]
    user_id: UuidText
    email: NotRequired[Email | None]
    name: NotRequired[str | None]


class UserDeleted(TypedDict):
    action: Literal["Deleted"]
    user_id: UuidText


class UserLoggedIn(TypedDict):
    action: Literal["LoggedIn"]
    user_id: UuidText
    ip_address: IpAddress


class OrderItem(TypedDict):
    product_id: ShortText
    quantity: Annotated[int, Field(strict=True, ge=1)]
    unit_price: Money


class OrderCreated(TypedDict):
    action: Literal["Created"]
    order_id: UuidText
    user_id: UuidText
    items: list[OrderItem]
    total_amount: Money


class OrderUpdated(TypedDict):
    action: Literal["Updated"]
    order_id: UuidText
    status: Literal["pending", "confirmed", "processing", "shipped", "delivered", "cancelled"]


class OrderCancelled(TypedDict):
    action: Literal["Cancelled"]
    order_id: UuidText
    reason: str


class OrderShipped(TypedDict):
    action: Literal["Shipped"]
    order_id: UuidText
    tracking_number: str
    carrier: str


class UserPayload(TypedDict):
    type: Literal["User"]
    data: Annotated[UserCreated | UserUpdated | UserDeleted | UserLoggedIn, Field(discriminator="action")]


class OrderPayload(TypedDict):
    type: Literal["Order"]
    data: Annotated[OrderCreated | OrderUpdated | OrderCancelled | OrderShipped, Field(discriminator="action")]


class GenericPayload(TypedDict):
    type: Literal["Generic"]
    data: Any


Payload = Annotated[UserPayload | OrderPayload | GenericPayload, Field(discriminator="type")]


class _Envelope(TypedDict):
    id: NotRequired[UuidText | None]
    event_type: EventType
    timestamp: NotRequired[Moment | None]
    correlation_id: NotRequired[UuidText | None]
    causation_id: NotRequired[UuidText | None]
    source: NotRequired[str | None]
    aggregate_id: NotRequired[str | None]
    aggregate_type: NotRequired[str | None]
    version: NotRequired[Annotated[int, Field(strict=True, ge=1, lt=2**63)] | None]
    metadata: NotRequired[dict[str, Any] | None]


class Event(_Envelope):
    """One fact. Unknown members are kept; optional ones that are unset, or null, are left out."""

    payload: Payload


class PlainEvent(_Envelope):
    """A fact whose payload is any JSON object, as `/events` takes it."""

    payload: dict[str, Any]


ALIASES = {"event_id": "id", "data": "payload"}
_validate: Callable[[Any], Event] = TypeAdapter(Event).validator.validate_python
_validate_plain: Callable[[Any], PlainEvent] = TypeAdapter(PlainEvent).validator.validate_python

Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(Members).decode
_exact_numbers = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder().encode


class EncodedEvent(msgspec.Struct, frozen=True, gc=False):
    """A valid event in the form in which it goes onto the log, with what the record's headers and key need of it."""

    id: str
    event_type: str
    value: bytes
    aggregate_id: str | None
    correlation_id: str | None
    causation_id: str | None


@dataclass(frozen=True, slots=True)
class EventEncoder:
    """Turns a client's JSON into events. `now` and `new_id` stand in for what the client left out."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def at_once(self) -> "EventEncoder":
        """For events that come together: those without a timestamp are all of this moment."""
        moment = self.now()
        return EventEncoder(lambda: moment, self.new_id)

    def encode(self, parsed: Any, raw: bytes | msgspec.Raw) -> EncodedEvent:
        """The event told by `parsed` (strictly parsed JSON) and `raw` (the same text without insignificant whitespace).

        Raises pydantic.ValidationError.
        """
        if not isinstance(parsed, dict):
            return _validate(parsed)  # type: ignore[return-value]  # it always raises
        members = _members(raw)
        _settle(parsed, members)
        if isinstance(payload := parsed.get("payload"), dict) and payload.get("type") == "Order":
            parsed["payload"] = _exact_numbers(members["payload"])
        event = _validate(parsed)
        if event["payload"]["type"] == "Order" and event["payload"]["data"]["action"] == "Created":
            members["payload"] = _money_as_text(members["payload"], event["payload"]["data"])
        return self._encoded(event, members)

    def encode_common(self, raw: bytes | msgspec.Raw) -> EncodedEvent | None:
        """As `encode`, at a glance; None where the event has to be looked at by that. `raw` is strict JSON."""
        event = common_event(raw)
        if event is None:
            return None
        event_id, event_type = event.id or self.new_id(), event.event_type
        lead = {"id": event_id, "event_type": event_type, "timestamp": event.timestamp or self.now()}
        value = _encode({**lead, **_members(raw), **lead})
        aggregate_id, correlation_id = event.aggregate_id or None, event.correlation_id or None
        return EncodedEvent(event_id, event_type, value, aggregate_id, correlation_id, event.causation_id or None)

    def encode_plain(self, parsed: Any, raw: bytes | msgspec.Raw) -> EncodedEvent:
        """As `encode`, for an event whose payload may be any JSON object and is kept as it is."""
        if not isinstance(parsed, dict):
            return _validate_plain(parsed)  # type: ignore[return-value]  # it always raises
        members = _members(raw)
        _settle(parsed, members)
        return self._encoded(_validate_plain(parsed), members)

    def _encoded(self, event: Event | PlainEvent, members: dict[str, Any]) -> EncodedEvent:
        event_id, event_type = event.get("id") or self.new_id(), event["event_type"]
        lead = {"id": event_id, "event_type": event_type, "timestamp": event.get("timestamp") or self.now()}
        value = _encode(lead | members | lead)
        aggregate_id, correlation_id = event.get("aggregate_id"), event.get("correlation_id")
        return EncodedEvent(event_id, event_type, value, aggregate_id, correlation_id, event.get("causation_id"))


def _settle(parsed: dict[str, Any], members: dict[str, Any]) -> None:
    """Read the aliases under their own names (a member given under both counts as its own name says); drop nulls."""
    if not parsed.keys().isdisjoint(ALIASES):
        for alias in ALIASES.keys() & parsed.keys():
            for form in (parsed, members):
                value = form.pop(alias)
                form.setdefault(ALIASES[alias], value)
    if None in parsed.values():
        for name in Event.__optional_keys__ & parsed.keys():
            if parsed[name] is None:
                del members[name]


def _money_as_text(payload: msgspec.Raw, order: OrderCreated) -> msgspec.Raw:
    """The payload with each amount as a decimal string, everything else as it was."""
    outer = _members(payload)
    data = _members(outer["data"])
    items = msgspec.json.decode(data["items"], type=list[Members])
    data["total_amount"] = _text(order["total_amount"])
    data["items"] = _raw(
        [{**raw, "unit_price": _text(item["unit_price"])} for raw, item in zip(items, order["items"], strict=True)]
    )
    return _raw({**outer, "data": _raw(data)})


def _text(amount: Decimal) -> msgspec.Raw:
    return _raw(format(amount, "f"))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
