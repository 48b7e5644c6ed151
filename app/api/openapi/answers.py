"""What each answer looks like, for the OpenAPI document. The tests hold every answer of the API suite to it.

Answers are put together elsewhere, as bytes where that is faster; these types are never made.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.errors import OutcomeName

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]


class FieldRefused(TypedDict):
    """One part of a request that is refused; `index` tells which event of a batch."""

    index: NotRequired[Count]
    field: NotRequired[str]
    message: str


class Error(TypedDict):
    """The one shape of all errors. `outcome` says what became of the records of a failed send."""

    error: str
    message: str
    details: NotRequired[list[Any]]
    outcome: NotRequired[OutcomeName]
    request_id: str


class Sent(TypedDict):
    """The event is durable at this position. `duplicate`: it was there already, under the same id."""

    success: Literal[True]
    event_id: str | None
    stream: str
    topic: str
    partition: Count
    offset: Count
    timestamp: Time
    duplicate: NotRequired[Literal[True]]


class NotSent(TypedDict):
    """One event of a batch that failed."""

    success: Literal[False]
    event_id: str | None
    error: str
    message: str
    details: NotRequired[list[FieldRefused]]
    outcome: OutcomeName


class Header(TypedDict):
    """A record's header; `value` is base64."""

    name: str
    value: str | None


class PolledMessage(TypedDict):
    """A record. What is no event of ours, or no text, is given as base64."""

    offset: Count
    timestamp: Time
    id: str | None
    key: str | None
    event: dict[str, Any] | None
    size: Count
    key_base64: NotRequired[str]
    value_base64: NotRequired[str | None]
    headers: NotRequired[dict[str, str]]
    headers_base64: NotRequired[list[Header]]


class Page(TypedDict):
    """What a poll found; `next_offset` is where the next one starts."""

    messages: list[PolledMessage]
    count: Count
    partition_id: Count
    current_offset: Count
    next_offset: Count
    high_watermark: Count
    log_start_offset: Count


class EventCount(TypedDict):
    """How many events of a type there are in the time that begins at `bucket`."""

    bucket: Time
    event_type: str
    count: Count


class StreamView(TypedDict):
    """A stream. `created_at` is null for one that others' topics tell of."""

    name: str
    created_at: Time | None
    topics_count: Count
    messages_count: Count
    size_bytes: Count


class PartitionView(TypedDict):
    partition_id: Count
    leader: int | None
    replicas: list[int]
    in_sync: list[int]
    log_start_offset: Count
    high_watermark: Count


class TopicView(TypedDict):
    """A topic; `configs` are those that differ from the broker's defaults."""

    name: str
    stream: str
    created_at: Time | None
    partitions_count: Count
    messages_count: Count
    size_bytes: Count
    configs: dict[str, str]
    partitions: list[PartitionView]


class CommittedOffset(TypedDict):
    """`committed` is the next offset to read; null: nothing is committed."""

    partition_id: Count
    committed: Count | None
    high_watermark: Count
    log_start_offset: Count
    lag: Count | None


class ConsumerOffsets(TypedDict):
    consumer_id: str
    partitions: list[CommittedOffset]


class Group(TypedDict):
    """A consumer group; `consumer_id` is set where it is one of ours."""

    group: str
    consumer_id: str | None
    state: str
    members: Count
    lag: Count | None


class Place(TypedDict):
    stream: str
    topic: str
    partition_id: Count


class GroupMember(TypedDict):
    member_id: str
    client_id: str
    host: str
    partitions: list[Place]


class GroupPartition(Place):
    committed: Count | None
    high_watermark: Count | None
    lag: Count | None


class GroupView(TypedDict):
    """A consumer group with its members and how far it has read."""

    group: str
    consumer_id: str | None
    state: str
    lag: Count | None
    members: list[GroupMember]
    partitions: list[GroupPartition]


class Health(TypedDict):
    status: Literal["healthy", "degraded"]
    broker_connected: bool
    broker: Literal["kafka", "sqlite", "memory"]
    version: str
    timestamp: Time
    components: dict[str, str]


class Stats(TypedDict):
    """Totals, read in the background; null until they were read once."""

    streams_count: Count | None
    topics_count: Count | None
    total_messages: Count | None
    total_size_bytes: Count | None
    uptime_seconds: Annotated[float, Field(ge=0)]
    cache_age_seconds: Annotated[float, Field(ge=0)] | None
    cache_stale: bool
