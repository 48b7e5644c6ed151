"""The contract of a partitioned log: `Broker` for records and offsets, `BrokerAdmin` for topics.

Every implementation in `brokers` keeps it, and `tests/contracts` holds them to it. Topics are named as the broker
names them (`names.TopicName.full`). All calls are safe from many tasks of the loop that opened the broker.

Errors, on every call: NotFound for an unknown topic or partition (nothing is ever created by looking),
Disconnected while the broker is out of reach. A caller that is cancelled leaves nothing half done.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from app.deadline import Deadline
from app.group import GroupInfo
from app.record import Fetched, Limit, NewRecord, Outcome, Position, Show
from app.topic import TopicInfo, TopicLayout, TopicSpec

BrokerKind = Literal["memory", "sqlite", "kafka"]


class Sharer(Protocol):
    """Who reads a share of a topic's partitions, as one of a group. It is called by one task at a time."""

    async def give_up(self) -> None:
        """Read none of them any more, and commit what is done: then others go on behind it."""
        ...

    async def take(self, partitions: Collection[int], membership: "Membership") -> None:
        """Read these, from what the group has committed, and commit by this membership."""
        ...

    def lost(self, error: Exception) -> None:
        """It is no member any more, whatever it does."""
        ...


class Membership(Protocol):
    """A place in a group, until `leave`."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """As `Broker.commit`, of partitions that are its own; raises Conflict for others."""
        ...

    async def leave(self) -> None:
        """Give up what it has, to those who stay. Never raises."""
        ...


class Broker(Protocol):
    """Records in, records out, and how far each consumer group has read."""

    kind: BrokerKind

    def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> Awaitable[list[Outcome]]:
        """Append the records, each to its own partition; one outcome per record, in order.

        `Written` means durable: acknowledged by all in-sync replicas, or on disk after a commit. The records of one
        partition become consecutive offsets in the order given, all of them or none, as far as one record batch
        holds them. Where the broker keeps a dedupe window, a record whose `event_id` was written to this topic
        within the window, earlier in this call, or by a call still in flight, is not stored again: its outcome is
        the first one's position with `duplicate=True`.
        By the deadline every record has an outcome; one that may still be written is `Failed` with outcome `unknown`.
        Raises NotFound when nothing was written because topic or partition are unknown.
        """
        ...

    async def prepare(self, topic: str) -> None:
        """Do now what the topic's first send would have to wait for. Raises NotFound."""
        ...

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        """Records from `at.offset` on, oldest first, committed transactions only.

        The offset is clamped to [log start, high watermark]. Returns as soon as anything is there; with nothing there,
        after at most `wait` seconds. The first record is returned even if it is larger than `limit.max_bytes`.
        May be cancelled at any moment.

        Who only shows the records to clients passes `show`, always the same one: it is called while they are read, with
        a few at a time, so that a page need not be held as objects. Then `shared` has what it made of all of them.
        """
        ...

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset to read, of each partition for which the group has committed one."""
        ...

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set the group's next offsets to read; durable as records are. Partitions not named keep theirs.

        Raises Conflict while the group has live members, who commit for it.
        """
        ...

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        """Become a live member of the group, which shares the topic's partitions among those who read it.

        `sharer` is told of its share before this returns, and whenever that changes.
        """
        ...

    async def check_free(self, group: str) -> None:
        """Raises Conflict while the group has live members, who commit for it; may be a second old."""
        ...

    async def forget(self, group: str, topic: str) -> None:
        """Drop the group's offsets on this topic; none there is fine. Raises Conflict while the group reads it live."""
        ...

    async def offsets_at(self, topic: str, time_ms: int) -> dict[int, int]:
        """Of each partition the offset of the first record that is not older; behind the last one, where none is."""
        ...

    async def layout(self, topic: str, *, fresh: bool = False) -> TopicLayout:
        """What a send has to know of the topic, a second old at most; `fresh` asks, once a second. Raises NotFound."""
        ...

    async def ping(self) -> None:
        """Return when the broker answers. Raises Disconnected."""
        ...


class BrokerAdmin(Protocol):
    """Topics: which there are, what they are, new ones, fewer; and the groups that read them."""

    async def groups(self) -> list[GroupInfo]:
        """Every consumer group that has committed an offset or has live members, by name."""
        ...

    async def group(self, name: str) -> GroupInfo:
        """Raises NotFound."""
        ...

    async def nodes(self) -> int:
        """How many brokers there are."""
        ...

    async def topics(self) -> dict[str, int]:
        """Every topic's name and number of partitions, internal ones included."""
        ...

    async def describe(self, topic: str) -> TopicInfo:
        """One topic, with fresh figures. Raises NotFound."""
        ...

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        """Those of the topics that exist, in this order, with fresh figures; not a call to the broker for each."""
        ...

    async def create(self, spec: TopicSpec) -> None:
        """Return when the topic can be written and read.

        Raises AlreadyExists, ValidationFailed (with the broker's reason).
        """
        ...

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        """Return when the change can be seen: so many partitions, and these configs on top of those it has.

        Raises NotFound, ValidationFailed (fewer partitions; the broker's reason), having changed nothing.
        """
        ...

    async def delete(self, topic: str) -> None:
        """Return when the topic is gone, with its records and committed offsets; its name can be used again at once."""
        ...


class Log(Broker, BrokerAdmin, Protocol):
    """Both sides of one log, with a lifetime: `open` connects or raises, `close` gives everything back.

    It may be closed and opened again.
    """

    @property
    def fault(self) -> str | None:
        """Why it can't go on until it is closed and opened again, in a few words; None while it can."""
        ...

    async def open(self) -> None:
        """Raises Disconnected (try again later), ResourceUnavailable (it is taken by somebody else)."""
        ...

    async def close(self) -> None: ...
