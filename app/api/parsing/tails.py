"""What a client wants to hear: the query of a tail, and where it says that it was."""

import math
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from app.api.parsing.messages import ConsumerId, Digits, PartitionId
from app.api.parsing.refusals import checked
from app.api.parsing.strict import strict_json
from app.errors import BadRequest, ValidationFailed
from app.event import Moment
from app.gateway.live.start import Ask, Begin
from app.names import consumer_id

LAST_EVENT_ID = "Last-Event-ID"
NOTHING = -1
_PLACE = re.compile(r"([0-9]{1,10}):(-1|[0-9]{1,18})")
_moment = TypeAdapter(Moment).validate_python


def _event_type(text: str) -> str:
    if not 1 <= len(text) <= 256:
        raise PydanticCustomError("event_type", "must be 1–256 characters")
    return text


class TailQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    from_: Annotated[str | None, Field(alias="from")] = None
    partition_id: Annotated[int, Field(ge=0, lt=2**31), Digits] | None = None
    event_type: Annotated[str, AfterValidator(_event_type)] | None = None
    consumer_id: ConsumerId | None = None
    last_event_id: str | None = None


def tail_query(query: Mapping[str, str], last_event_id: str | None) -> Ask:
    """The query, and the header `Last-Event-ID`, which goes before its namesake there.

    Without `from` a consumer begins where a poll would: at the log's start. Raises ValidationFailed.
    """
    asked = checked(TailQuery.model_validate, dict(query))
    known = last_event_id or asked.last_event_id
    return Ask(
        partition=asked.partition_id,
        begin=_begin(asked.from_ if asked.from_ is not None else "latest" if asked.consumer_id is None else "earliest"),
        consumer_id=None if asked.consumer_id is None else consumer_id(asked.consumer_id),
        after=read_places(known) if known else None,
        event_type=asked.event_type,
    )


class _Ack(BaseModel):
    model_config = ConfigDict(extra="forbid")

    partition_id: PartitionId
    offset: Annotated[int, Field(strict=True, ge=0, lt=2**63 - 1)]


class AckFrame(BaseModel):
    """What a client says on a WebSocket: it is done with this message and all before it."""

    model_config = ConfigDict(extra="forbid")

    ack: _Ack


def ack_of(text: str) -> tuple[int, int]:
    """The partition and the offset that a frame acknowledges. Raises BadRequest, ValidationFailed."""
    try:
        frame = strict_json(text.encode())
    except BadRequest:
        raise BadRequest("a frame must be JSON") from None
    ack = checked(AckFrame.model_validate, frame).ack
    return ack.partition_id, ack.offset


def places(positions: Mapping[int, int]) -> str:
    """The last offset of each partition, where the next ones are these: what `Last-Event-ID` says.

    A partition from which nothing can have come is left out, but for one where that is so of all.
    """
    known = [f"{partition}:{offset - 1}" for partition, offset in positions.items() if offset]
    return ",".join(known) or f"{next(iter(positions), 0)}:{NOTHING}"


def read_places(text: str) -> dict[int, int]:
    """What `places` wrote. Raises ValidationFailed."""
    found: dict[int, int] = {}
    for part in text.split(","):
        match = _PLACE.fullmatch(part.strip())
        if match is None:
            raise ValidationFailed.of(LAST_EVENT_ID, "must be partition:offset, or several with commas, as ids are")
        if int(match[1]) in found:
            raise ValidationFailed.of(LAST_EVENT_ID, f"names partition {int(match[1])} twice")
        found[int(match[1])] = int(match[2])
    return found


def _begin(text: str) -> Begin:
    match text:
        case "latest":
            return "latest"
        case "earliest":
            return "earliest"
        case _:
            return math.ceil(checked(_moment, text.replace(" ", "+"), within="from").timestamp() * 1000)
