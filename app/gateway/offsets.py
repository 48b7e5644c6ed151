"""How far a consumer has read a topic: shown, set, forgotten."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from app.broker import Log
from app.errors import ValidationFailed
from app.names import TopicName

Place = Literal["earliest", "latest"] | int
"""Where to go: an end of the log, or the first record not older than these milliseconds since the epoch."""


class PartitionOffset(NamedTuple):
    """`committed` is the next offset to read; None: nothing is committed."""

    partition: int
    committed: int | None
    high_watermark: int
    log_start_offset: int

    @property
    def lag(self) -> int | None:
        """Records still to be read; None while nothing is committed."""
        return None if self.committed is None else max(0, self.high_watermark - self.committed)


class Offsets:
    """A consumer's offsets are those of the broker's consumer group of its name."""

    def __init__(self, log: Log, *, group_prefix: str) -> None:
        self._log = log
        self._group_prefix = group_prefix

    async def show(self, topic: TopicName, consumer: str) -> list[PartitionOffset]:
        """All partitions, in order. Raises NotFound."""
        info = await self._log.describe(topic.full)
        committed = await self._log.committed(self._group(consumer), topic.full)
        return [
            PartitionOffset(p.partition, committed.get(p.partition), p.high_watermark, p.log_start_offset)
            for p in info.partitions
        ]

    async def set(
        self, topic: TopicName, consumer: str, wanted: Mapping[int, int] | Place, *, dry_run: bool
    ) -> list[PartitionOffset]:
        """Go to these offsets, or all partitions to one place; answers how it is then, or would be.

        Raises NotFound, ValidationFailed (a partition or an offset that is not there; nothing is set), Conflict.
        """
        now = await self.show(topic, consumer)
        chosen = wanted if isinstance(wanted, Mapping) else await self._place(topic, wanted, now)
        _check(chosen, now)
        if not dry_run:
            await self._log.commit(self._group(consumer), topic.full, chosen)
        return [found._replace(committed=chosen.get(found.partition, found.committed)) for found in now]

    async def forget(self, topic: TopicName, consumer: str) -> None:
        """Raises NotFound, Conflict."""
        await self._log.forget(self._group(consumer), topic.full)

    async def _place(self, topic: TopicName, place: Place, now: list[PartitionOffset]) -> dict[int, int]:
        if place == "earliest":
            return {found.partition: found.log_start_offset for found in now}
        if place == "latest":
            return {found.partition: found.high_watermark for found in now}
        at = await self._log.offsets_at(topic.full, place)
        return {
            found.partition: min(max(at[found.partition], found.log_start_offset), found.high_watermark)
            for found in now
            if found.partition in at
        }

    def _group(self, consumer: str) -> str:
        return self._group_prefix + consumer


def _check(chosen: Mapping[int, int], now: list[PartitionOffset]) -> None:
    known = {found.partition: found for found in now}
    for partition, offset in chosen.items():
        if partition not in known:
            raise ValidationFailed.of("partition_id", f"{partition} does not exist: the topic has {len(known)}")
        first, last = known[partition].log_start_offset, known[partition].high_watermark
        if not first <= offset <= last:
            raise ValidationFailed.of("offset", f"{offset} is not in partition {partition}: it has {first} to {last}")
