"""Which streams and topics were created, and when: a log of its own, the compacted topic `_gateway-catalog`.

Streams are only name prefixes on the broker, so this log is where an empty one lives; it survives a restart and shows
on every process. A key without a dot is a stream's, and the first record since its deletion counts: of two racing
creations one wins, on any process. A key with a dot is a topic's broker name, and the latest record counts.
"""

import asyncio
import contextlib
from typing import NamedTuple

import msgspec

from app.broker import Log
from app.deadline import Deadline
from app.errors import AlreadyExists, StreamFailed
from app.record import Failed, Limit, NewRecord, Position, Record
from app.topic import CLEANUP_POLICY, RETENTION_MS, TopicSpec

CATALOG_TOPIC = "_gateway-catalog"
_PAGE = Limit(1000, 1 << 20)


class _Created(msgspec.Struct):
    created_ms: int


_decode = msgspec.json.Decoder(_Created).decode


class Entry(NamedTuple):
    """When something was created (milliseconds since the epoch), and where the log says so."""

    created_ms: int
    offset: int


class Registry:
    """The creation times of streams and topics, as of the last `refresh`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._entries: dict[str, Entry] = {}
        self._position = 0
        self._refreshing = asyncio.Lock()

    async def start(self) -> None:
        """Make the log if it is missing, and read it."""
        if CATALOG_TOPIC not in await self._log.topics():
            with contextlib.suppress(AlreadyExists):
                await self._log.create(TopicSpec(CATALOG_TOPIC, 1, {CLEANUP_POLICY: "compact", RETENTION_MS: "-1"}))
        await self.refresh()

    async def refresh(self) -> None:
        """Read what was written since, by whatever process."""
        async with self._refreshing:
            while True:
                fetched = await self._log.fetch(Position(CATALOG_TOPIC, 0, self._position), _PAGE)
                for record in fetched.records:
                    self._apply(record)
                self._position = fetched.next_offset
                if fetched.next_offset >= fetched.high_watermark:
                    return

    def find(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def streams(self) -> dict[str, Entry]:
        """Every stream that was created and not deleted."""
        return {key: entry for key, entry in self._entries.items() if "." not in key}

    async def add(self, key: str, now_ms: int, deadline: Deadline) -> bool:
        """Note the creation of a stream or topic; False when somebody else's stream of this name came first."""
        value = msgspec.json.encode(_Created(now_ms))
        [outcome] = await self._log.publish(CATALOG_TOPIC, [NewRecord.of(0, value, now_ms, key=key.encode())], deadline)
        if isinstance(outcome, Failed):
            raise StreamFailed(
                f"'{key}' could not be written down: {outcome.error.message}", outcome=outcome.error.outcome
            )
        await self.refresh()
        entry = self._entries.get(key)
        return entry is not None and entry.offset == outcome.offset

    async def remove(self, key: str, now_ms: int, deadline: Deadline) -> None:
        """Note the deletion of a stream or topic."""
        [outcome] = await self._log.publish(CATALOG_TOPIC, [NewRecord.of(0, None, now_ms, key=key.encode())], deadline)
        if isinstance(outcome, Failed):
            raise StreamFailed(
                f"the deletion of '{key}' could not be written down: {outcome.error.message}",
                outcome=outcome.error.outcome,
            )
        await self.refresh()

    def _apply(self, record: Record) -> None:
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._entries.pop(key, None)
        elif "." in key or key not in self._entries:
            with contextlib.suppress(msgspec.DecodeError):  # somebody else's record is no reason to stop
                self._entries[key] = Entry(_decode(record.value).created_ms, record.offset)
