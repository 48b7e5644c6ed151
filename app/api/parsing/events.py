"""What a question for events says: filters, order, page."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.api.parsing.messages import Digits
from app.api.parsing.refusals import checked
from app.errors import ValidationFailed
from app.event import microseconds, moment_of
from app.event_index import Bucket, EventQuery, Place

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_CURSOR = re.compile(r"([ad])(-?[0-9]{1,18})\.([0-9a-f-]{36})")


def _time(text: object) -> datetime:
    """Epoch seconds or RFC 3339; an offset's `+` that a query turned into a space is taken for one."""
    if isinstance(text, str) and _NUMBER.fullmatch(text):
        return moment_of(float(text) if "." in text else int(text))
    return moment_of(text.replace(" ", "+") if isinstance(text, str) else text)


def _plain(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("text", "must be text without NUL")
    return text


Time = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
Text = Annotated[str, AfterValidator(_plain)]
Version = Annotated[int, Field(ge=0, lt=2**63), Digits]


class _TimesAndType(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Text | None = None
    event_type: Text | None = None
    start: Time | None = None
    end: Time | None = None


class SummaryQuery(_TimesAndType):
    bucket: Bucket = "hour"


class EventsQuery(_TimesAndType):
    aggregate_id: Text | None = None
    aggregate_type: Text | None = None
    from_version: Version | None = None
    to_version: Version | None = None
    correlation_id: Text | None = None
    source: Text | None = None
    stream: Text | None = None
    topic: Text | None = None
    order: Literal["asc", "desc"] = "asc"
    limit: Annotated[int, Field(ge=1, le=1000), Digits] = 100
    cursor: str | None = None


def events_query(query: Mapping[str, str]) -> EventQuery:
    """Raises ValidationFailed."""
    asked = checked(EventsQuery.model_validate, dict(query))
    descending = asked.order == "desc"
    return EventQuery(
        event_type=_type(asked),
        start=_microseconds(asked.start),
        end=_microseconds(asked.end),
        aggregate_id=asked.aggregate_id,
        aggregate_type=asked.aggregate_type,
        from_version=asked.from_version,
        to_version=asked.to_version,
        correlation_id=asked.correlation_id and asked.correlation_id.lower(),
        source=asked.source,
        stream=asked.stream,
        topic=asked.topic,
        descending=descending,
        after=None if asked.cursor is None else read_cursor(asked.cursor, descending=descending),
        limit=asked.limit,
    )


def summary_query(query: Mapping[str, str]) -> tuple[EventQuery, Bucket]:
    """Raises ValidationFailed."""
    asked = checked(SummaryQuery.model_validate, dict(query))
    question = EventQuery(event_type=_type(asked), start=_microseconds(asked.start), end=_microseconds(asked.end))
    return question, asked.bucket


def cursor_of(place: Place, *, descending: bool) -> str:
    """Where the next page begins: behind this place."""
    text = f"{'d' if descending else 'a'}{place.at}.{place.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, *, descending: bool) -> Place:
    """Raises ValidationFailed for what `cursor_of` never wrote, and for one of the other order."""
    try:
        written = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        written = ""
    match = _CURSOR.fullmatch(written)
    if match is None:
        raise ValidationFailed.of("cursor", "must be one that a Link header gave")
    if (match[1] == "d") != descending:
        raise ValidationFailed.of("cursor", "belongs to the other order")
    return Place(int(match[2]), match[3])


def _type(asked: _TimesAndType) -> str | None:
    """The one type that both names mean, and start not after end."""
    if asked.type is not None and asked.event_type is not None and asked.type != asked.event_type:
        raise ValidationFailed.of("type", "and event_type are two names of one filter, and these differ")
    if asked.start is not None and asked.end is not None and asked.start > asked.end:
        raise ValidationFailed.of("start", "must not be later than end")
    return asked.type if asked.type is not None else asked.event_type


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)
