"""A tail that goes on for a consumer: from where its group is, with its share of the partitions."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.broker import Log, Membership
from app.errors import SluiceError
from app.gateway.live.progress import Progress
from app.gateway.live.start import Ask, resume
from app.gateway.live.tail import Tail

KNOWS_SECONDS = 30.0
"""By then who read in this client's place is found to be gone, and what it had is shared anew."""


class Share:
    """The tail as a `Sharer`, who is told which partitions it has."""

    def __init__(self, log: Log, group: str, topic: str, ask: Ask, tail: Tail, progress: Progress) -> None:
        self._log = log
        self._group = group
        self._topic = topic
        self._ask = ask
        self._tail = tail
        self._progress = progress
        self._after = dict(ask.after or {})
        """What the client knows from before. It counts once for each partition, and not for long: the group goes on."""

        self._knows_until = asyncio.get_running_loop().time() + KNOWS_SECONDS

    async def give_up(self) -> None:
        self._tail.assign({})
        await self._progress.let_go()

    async def take(self, partitions: Collection[int], membership: Membership) -> None:
        if not partitions:  # there are more readers than partitions
            return
        if asyncio.get_running_loop().time() > self._knows_until:
            self._after.clear()
        try:
            committed = await self._log.committed(self._group, self._topic)
            positions = await resume(self._log, self._topic, self._ask.begin, partitions, committed, self._after)
        except SluiceError as error:
            self._tail.end(error)
            return
        for partition in positions:
            self._after.pop(partition, None)
        moved = {partition: at for partition, at in positions.items() if committed.get(partition) != at}
        self._progress.hold(membership, positions, moved)
        self._tail.assign(positions)

    def lost(self, error: Exception) -> None:
        self._tail.end(error)


@dataclass(frozen=True, slots=True)
class Alone:
    """A `Membership` of who names its partition: it shares with nobody, and commits as polls do."""

    log: Log
    group: str
    topic: str

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self.log.commit(self.group, self.topic, offsets)

    async def leave(self) -> None:
        """There is nobody who would go on."""
