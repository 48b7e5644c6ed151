"""How far one client is with the partitions that it has, written down for its group: the latest, not every step."""

import asyncio
from collections.abc import Callable, Mapping

from app.broker import Membership
from app.errors import SluiceError, Unavailable, ValidationFailed
from app.gateway.live.feeds import PAUSE
from app.telemetry.logs import get_logger

FLUSH_SECONDS = 5.0
"""How long the last commit may take before others go on behind the one before it."""

_log = get_logger(__name__)


class Progress:
    """Next offsets of the partitions held. `refused` is told of commits that were; those messages come again."""

    def __init__(self, refused: Callable[[], None]) -> None:
        self._refused = refused
        self._membership: Membership | None = None
        self._held: dict[int, int] = {}
        self._had: set[int] = set()
        self._pending: dict[int, int] = {}
        self._writing: asyncio.Task[None] | None = None

    def hold(self, membership: Membership, positions: Mapping[int, int], moved: Mapping[int, int]) -> None:
        """From now on it is about these; of those that begin elsewhere than the group was, that is written down."""
        self._membership = membership
        self._held = dict(positions)
        self._had |= positions.keys()
        self._pending = dict(moved)
        self._write()

    async def let_go(self) -> None:
        """Of all of them, once what is done is written down."""
        self._held = {}
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=FLUSH_SECONDS)
            self._writing.cancel()
        self._pending = {}

    def done(self, partition: int, next_offset: int) -> None:
        """The client has all before this offset."""
        if self._held.get(partition, next_offset) < next_offset:
            self._held[partition] = self._pending[partition] = next_offset
            self._write()

    def acknowledge(self, partition: int, offset: int, told: int | None) -> None:
        """The client is done with it; `told` is the offset behind what it was told. Raises ValidationFailed."""
        if told is None:
            if partition not in self._had:
                raise ValidationFailed.of("ack.partition_id", f"{partition} was not told to this client")
            return  # another one has it now, which this client can't know
        if offset >= told:
            raise ValidationFailed.of("ack.offset", f"{offset} was not told to this client yet")
        self.done(partition, offset + 1)

    async def close(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _write(self) -> None:
        if self._pending and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._commit_all(), name="tail-commits")

    async def _commit_all(self) -> None:
        while self._pending and self._membership is not None:
            offsets, self._pending = self._pending, {}
            try:
                await self._membership.commit(offsets)
            except Unavailable:
                self._pending = offsets | self._pending
                await asyncio.sleep(PAUSE)
            except SluiceError as error:
                self._refused()
                _log.warning("a tail's commit was refused", reason=str(error))
