"""Where a tail begins, in each of its partitions."""

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct

from app.broker import Log
from app.errors import NotFound, ValidationFailed
from app.topic import PartitionInfo

MOST_PARTITIONS = 200

Begin = Literal["earliest", "latest"] | int
"""An end of the log, or the first record not older than these milliseconds since the epoch."""


class Ask(Struct, frozen=True):
    """What a client wants to hear.

    `partition` None is all of them, `event_type` None is every one. `after` has the last offset that it knows of each
    partition, and goes before `begin`; a partition that is not named there is new to the client: all of it is wanted.
    A consumer goes on behind what it committed; `begin` is for partitions where it has not.
    """

    partition: int | None = None
    begin: Begin = "latest"
    consumer_id: str | None = None
    after: Mapping[int, int] | None = None
    event_type: str | None = None


class Start(Struct, frozen=True):
    """The next offset of each partition; `behind`: there is something in the log from there on."""

    positions: Mapping[int, int]
    behind: bool


async def resume(
    log: Log,
    topic: str,
    begin: Begin,
    partitions: Collection[int],
    committed: Mapping[int, int],
    after: Mapping[int, int],
) -> dict[int, int]:
    """Where a consumer goes on: at what it committed, or behind what the client knows, whichever is less.

    Partitions without a commit begin at `begin`. Raises NotFound.
    """
    chosen = [p for p in (await log.describe(topic)).partitions if p.partition in partitions]
    fresh = [p for p in chosen if p.partition not in committed]
    positions = await _begin(log, topic, fresh, begin) if fresh else {}
    for known in chosen:
        number = known.partition
        if number in committed:
            known_to_client = after.get(number, -1)
            offset = committed[number] if known_to_client < 0 else min(committed[number], known_to_client + 1)
            positions[number] = _next(known, offset)
    return positions


async def start_of(log: Log, topic: str, ask: Ask) -> Start:
    """Raises NotFound (the topic or the partition), ValidationFailed (too many partitions, or `after` names none)."""
    partitions = (await log.describe(topic)).partitions
    chosen = _chosen(topic, partitions, ask.partition)
    if ask.after is None:
        positions = await _begin(log, topic, chosen, ask.begin)
    else:
        positions = _after(partitions, chosen, ask.after)
    return Start(positions, any(positions[p.partition] < p.high_watermark for p in chosen))


def _chosen(topic: str, partitions: tuple[PartitionInfo, ...], number: int | None) -> list[PartitionInfo]:
    count = len(partitions)
    if number is None:
        if count > MOST_PARTITIONS:
            sentence = f"must be given: the topic has {count} partitions, and a tail takes {MOST_PARTITIONS} at most"
            raise ValidationFailed.of("partition_id", sentence)
        return list(partitions)
    found = [known for known in partitions if known.partition == number]
    if not found:
        raise NotFound(f"partition {number} does not exist: topic '{topic}' has {count}")
    return found


async def _begin(log: Log, topic: str, partitions: list[PartitionInfo], begin: Begin) -> dict[int, int]:
    if begin == "earliest":
        return {p.partition: p.log_start_offset for p in partitions}
    if begin == "latest":
        return {p.partition: p.high_watermark for p in partitions}
    at = await log.offsets_at(topic, begin)
    return {
        p.partition: min(max(at.get(p.partition, p.high_watermark), p.log_start_offset), p.high_watermark)
        for p in partitions
    }


def _after(
    partitions: tuple[PartitionInfo, ...], chosen: list[PartitionInfo], after: Mapping[int, int]
) -> dict[int, int]:
    unknown = sorted(after.keys() - {p.partition for p in partitions})
    if unknown:
        raise ValidationFailed.of("Last-Event-ID", f"names partition {unknown[0]}, the topic has {len(partitions)}")
    return {p.partition: _next(p, after.get(p.partition, -1) + 1) for p in chosen}


def _next(partition: PartitionInfo, offset: int) -> int:
    """An offset past the end is of a topic that was deleted: what has its name now is read from its start."""
    first = partition.log_start_offset
    return first if offset > partition.high_watermark else max(offset, first)
