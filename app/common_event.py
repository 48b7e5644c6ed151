"""The common event: known members in their usual form, and a generic payload.

Most events are such. msgspec alone can tell that one is valid, at a fraction of what a look by pydantic costs, which
decides on all others, and alone refuses any.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

_UUID = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
Uuid = Annotated[str, Meta(pattern=_UUID)]
EventType = Annotated[str, Meta(min_length=1, max_length=256)]
Version = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class GenericPayload(msgspec.Struct, gc=False):
    type: Literal["Generic"]
    data: Raw


class CommonEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What `app.event.Event` takes, and keeps as it is: no alias, no capital in an id, no member of others, no null."""

    event_type: EventType
    payload: GenericPayload
    id: Uuid | UnsetType = UNSET
    timestamp: datetime | UnsetType = UNSET
    correlation_id: Uuid | UnsetType = UNSET
    causation_id: Uuid | UnsetType = UNSET
    source: str | UnsetType = UNSET
    aggregate_id: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    aggregate_type: str | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    metadata: dict[str, Raw] | UnsetType = UNSET


_decode = msgspec.json.Decoder(CommonEvent).decode


def common_event(raw: bytes | Raw) -> CommonEvent | None:
    """The event that this strict JSON tells, if it is a common one; its timestamp is in UTC."""
    try:
        event = _decode(raw)
    except msgspec.ValidationError:
        return None
    timestamp = event.timestamp
    in_utc = timestamp is UNSET or timestamp.tzinfo is UTC
    return event if in_utc and event.event_type.isprintable() else None
