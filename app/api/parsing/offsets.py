"""What a request for offsets says: whose, and where they shall go."""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.api.parsing.messages import ConsumerId, PartitionId, either
from app.api.parsing.refusals import checked
from app.api.parsing.strict import strict_json
from app.errors import ValidationFailed
from app.event import Moment
from app.gateway.offsets import Place
from app.names import consumer_id

_moment = TypeAdapter(Moment).validate_python


class ConsumerQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    consumer_id: ConsumerId = "1"


class OffsetsQuery(ConsumerQuery):
    dry_run: bool = False


class PartitionOffsetBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    partition_id: PartitionId
    offset: Annotated[int, Field(strict=True, ge=0, lt=2**63)]


class OffsetsBody(BaseModel):
    """`partitions` or `to`, not both. `to` is `earliest`, `latest` or a time (RFC 3339)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=either("partitions", "to"))

    partitions: Annotated[list[PartitionOffsetBody], Field(min_length=1)] | None = None
    to: str | None = None


def consumer_query(query: Mapping[str, str]) -> str:
    """Whose offsets. Raises ValidationFailed."""
    return consumer_id(checked(ConsumerQuery.model_validate, dict(query)).consumer_id)


def offsets_query(query: Mapping[str, str]) -> OffsetsQuery:
    """Whose offsets to set, and whether to. Raises ValidationFailed."""
    asked = checked(OffsetsQuery.model_validate, dict(query))
    consumer_id(asked.consumer_id)
    return asked


def offsets_wanted(body: bytes) -> Mapping[int, int] | Place:
    """Where to go. Raises BadRequest, ValidationFailed."""
    asked = checked(OffsetsBody.model_validate, strict_json(body))
    if (asked.partitions is None) == (asked.to is None):
        raise ValidationFailed.of("body", "must have either 'partitions' or 'to'")
    if asked.partitions is None:
        return _place(asked.to)
    wanted = {item.partition_id: item.offset for item in asked.partitions}
    if len(wanted) < len(asked.partitions):
        raise ValidationFailed.of("partitions", "names a partition twice")
    return wanted


def _place(text: str | None) -> Place:
    match text:
        case "earliest":
            return "earliest"
        case "latest":
            return "latest"
        case _:
            return math.ceil(checked(_moment, text, within="to").timestamp() * 1000)
