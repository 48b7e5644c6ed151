"""Consumer groups as operators see them: with what they have read and what is left."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.broker import BrokerAdmin
from app.errors import Forbidden, NotFound
from app.gateway.sight import Sight, sees
from app.group import GroupInfo, Member, Partition
from app.names import TopicName, is_internal


class ReadPartition(NamedTuple):
    """How far a group has read a partition that still exists."""

    topic: TopicName
    partition: int
    committed: int
    high_watermark: int

    @property
    def lag(self) -> int:
        return max(0, self.high_watermark - self.committed)


class ConsumerGroup(NamedTuple):
    """`consumer_id` is None for a group that no poll of ours can have made. `name` is the broker's."""

    name: str
    consumer_id: str | None
    state: str
    members: tuple[Member, ...]
    partitions: tuple[ReadPartition, ...]

    @property
    def lag(self) -> int | None:
        """Over all partitions; None while nothing is committed."""
        return sum(partition.lag for partition in self.partitions) if self.partitions else None


class Consumers:
    """Every group that the broker knows, Kafka's own live ones included."""

    def __init__(self, log: BrokerAdmin, *, group_prefix: str) -> None:
        self._log = log
        self._group_prefix = group_prefix

    async def all(self, sight: Sight) -> list[ConsumerGroup]:
        """Those in sight, by name, each with what is in sight of it."""
        groups = _in_sight(await self._log.groups(), sight)
        ends = await self._ends(groups)
        return [self._consumer(group, ends) for group in groups]

    async def one(self, name: str, sight: Sight) -> ConsumerGroup:
        """By the group's full name. Raises NotFound; where not all is seen, Forbidden, whether it exists or not."""
        try:
            found = _in_sight([await self._log.group(name)], sight)
        except NotFound:
            if sight.sees_all:
                raise
            found = []
        if not found:
            raise Forbidden("this API key does not have the right to see this consumer group")
        return self._consumer(found[0], await self._ends(found))

    async def _ends(self, groups: Sequence[GroupInfo]) -> dict[Partition, int]:
        topics = sorted({topic for group in groups for topic, _ in group.committed if not is_internal(topic)})
        infos = await self._log.describe_many(topics)
        return {(info.name, found.partition): found.high_watermark for info in infos for found in info.partitions}

    def _consumer(self, group: GroupInfo, ends: Mapping[Partition, int]) -> ConsumerGroup:
        ours = group.name.startswith(self._group_prefix)
        return ConsumerGroup(
            group.name,
            group.name.removeprefix(self._group_prefix) if ours else None,
            group.state,
            group.members,
            tuple(
                ReadPartition(TopicName.from_broker(topic), number, committed, ends[topic, number])
                for (topic, number), committed in sorted(group.committed.items())
                if (topic, number) in ends
            ),
        )


def _in_sight(groups: Sequence[GroupInfo], sight: Sight) -> Sequence[GroupInfo]:
    """The groups and members that read a topic in sight, and of each only that."""
    if sight.sees_all:
        return groups
    seen = [_narrowed(group, sight) for group in groups]
    return [group for group in seen if group.members or group.committed]


def _narrowed(group: GroupInfo, sight: Sight) -> GroupInfo:
    members = [
        member._replace(partitions=tuple(place for place in member.partitions if sees(sight, place[0])))
        for member in group.members
    ]
    return group._replace(
        members=tuple(member for member in members if member.partitions),
        committed={place: offset for place, offset in group.committed.items() if sees(sight, place[0])},
    )
