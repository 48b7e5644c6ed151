"""Consumer groups as the broker knows them: who reads what, and how far."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.errors import NotFound

Partition = tuple[str, int]
"""A topic's broker name and a partition's number."""


class Member(NamedTuple):
    """A live reader. `partitions` are those assigned to it."""

    member_id: str
    client_id: str
    host: str
    partitions: tuple[Partition, ...]


class GroupInfo(NamedTuple):
    """`state` is in Kafka's words: `Stable`, `Empty`, `PreparingRebalance` …; without live members it is `Empty`."""

    name: str
    state: str
    members: tuple[Member, ...]
    committed: Mapping[Partition, int]


def empty_group(name: str, committed: Mapping[Partition, int]) -> GroupInfo:
    """A group on a log that knows no live members."""
    return GroupInfo(name, "Empty", (), committed)


def find_group(name: str, groups: Sequence[GroupInfo]) -> GroupInfo:
    """Raises NotFound."""
    for group in groups:
        if group.name == name:
            return group
    raise NotFound(f"consumer group '{name}' does not exist")
