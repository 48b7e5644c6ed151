"""Any log, with spans around what requests send and fetch."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from app.broker import Log
from app.deadline import Deadline
from app.record import Fetched, Limit, NewRecord, Outcome, Position, Show

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing


class TracedLog:
    """Keeps the contract as the one behind it does; `reader` says who reads by it.

    `asked` says that each read is for the request that runs, not for many of them.
    """

    def __init__(self, log: Log, tracing: "Tracing", *, reader: str, asked: bool = True) -> None:
        self._log = log
        self._tracing = tracing
        self._reader = reader
        self._asked = asked
        self.kind = log.kind
        self.prepare = log.prepare
        self.committed = log.committed
        self.commit = log.commit
        self.join = log.join
        self.check_free = log.check_free
        self.forget = log.forget
        self.offsets_at = log.offsets_at
        self.layout = log.layout
        self.ping = log.ping
        self.groups = log.groups
        self.group = log.group
        self.nodes = log.nodes
        self.topics = log.topics
        self.describe = log.describe
        self.describe_many = log.describe_many
        self.create = log.create
        self.alter = log.alter
        self.delete = log.delete
        self.open = log.open
        self.close = log.close

    @property
    def fault(self) -> str | None:
        return self._log.fault

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        with self._tracing.sending(topic, len(records)):
            return await self._log.publish(topic, records, deadline)

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        with self._tracing.fetching(at.topic, at.partition) if self._asked else nullcontext():
            fetched = await self._log.fetch(at, limit, wait, show)
        self._tracing.received(at.topic, at.partition, fetched.records, self._reader, asked=self._asked)
        return fetched
