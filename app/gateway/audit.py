"""The audit trail: what was changed and by whom, and what befell the gateway, as events on the topic `_gateway-audit`.

To tell never waits and never fails: a task of its own writes, as long as it takes the log to come back. What finds the
queue full, or the log for good against it, is lost; the log lines and a metric say so.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from app import __version__
from app.broker import Log
from app.deadline import Clock, Deadlines
from app.errors import AlreadyExists, DeadlineExceeded, NotFound, SluiceError, StorageFull, Unavailable
from app.event import EventEncoder
from app.gateway.message import Message, Origin, record_of
from app.gateway.seldom import Seldom
from app.names import NO_STREAM, TopicName
from app.record import Failed, NewRecord
from app.telemetry.logs import get_logger
from app.telemetry.metrics.door import DoorMetrics
from app.topic import RETENTION_MS, TopicSpec

AUDIT_TOPIC = "_gateway-audit"
AUDIT = TopicName(NO_STREAM, AUDIT_TOPIC)
_PASSING = (Unavailable, DeadlineExceeded, StorageFull, NotFound)  # the topic, deleted by others, is made anew
_BATCH = 100
_WRITE_SECONDS = 10.0
_REFUSED_SECONDS = 60.0
_GATEWAY = Origin("gateway")

_log = get_logger(__name__)


class Who(NamedTuple):
    """Whose request it was. `key_id` is None without keys."""

    key_id: str | None
    address: str | None
    request_id: str


class Audit:
    """Tells of changes and of the gateway itself. At most `most_waiting` events wait; `pause` is between attempts."""

    def __init__(
        self,
        log: Log,
        encoder: EventEncoder,
        *,
        clock: Clock,
        retention_ms: int,
        metrics: DoorMetrics,
        most_waiting: int = 1000,
        pause: float = 1.0,
    ) -> None:
        self._log = log
        self._encoder = encoder
        self._clock = clock
        self._refused = Seldom(_REFUSED_SECONDS, clock)
        self._topic = TopicSpec(AUDIT_TOPIC, 1, {RETENTION_MS: str(retention_ms)})
        self._metrics = metrics
        self._most_waiting = most_waiting
        self._pause = pause
        self._waiting: deque[NewRecord] = deque()
        self._told = asyncio.Event()
        self._written = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The gateway has started: say so, and begin to write what was told before."""
        self.tell("gateway.started", {"version": __version__, "broker": self._log.kind})
        self._task = asyncio.create_task(self._write_forever(), name="audit")

    async def stop(self, seconds: float) -> None:
        """The gateway stops: say so, and write what waits, for so long at most."""
        if self._task is None:
            return
        self.tell("gateway.stopping", {})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.flush()
        self._task.cancel()
        await asyncio.wait({self._task})
        self._lose(len(self._waiting), "the gateway stops")

    async def flush(self) -> None:
        """Return once all that was told is written, or lost."""
        while self._waiting:
            self._written.clear()
            await self._written.wait()

    def broker_changed(self, connected: bool, reason: str | None) -> None:  # noqa: FBT001  # a callback
        """The broker is away, for this reason, or is back."""
        self.tell("broker.recovered" if connected else "broker.lost", {"reason": reason})

    def keys_changed(self, count: int) -> None:
        """The file of API keys says something else now, and there are so many."""
        self.tell("keys.reloaded", {"keys": count})

    def tell_refused(self, event_type: str, data: Mapping[str, Any], who: Who) -> None:
        """A change that a key has no right to: once a minute for each key and type, with the number of those between.

        Otherwise a key without rights could fill the log.
        """
        kept_back = self._refused.happened((who.key_id, event_type))
        if kept_back is not None:
            self.tell(event_type, {**data, "refused_before": kept_back}, who)

    def tell(self, event_type: str, data: Mapping[str, Any], who: Who | None = None) -> None:
        """One event of this type; `who` is None for the gateway itself."""
        if len(self._waiting) >= self._most_waiting:
            self._lose(1, "too many wait to be written")
            return
        payload = {"type": "Generic", "data": {"who": who._asdict() if who else None, **data}}
        event: dict[str, Any] = {"event_type": event_type, "source": "sluice", "payload": payload}
        message = Message(self._encoder.encode(event, msgspec.json.encode(event)))
        origin = Origin(who.request_id) if who else _GATEWAY
        self._waiting.append(record_of(message, 0, None, int(self._clock() * 1000), origin.headers()))
        self._told.set()

    async def _write_forever(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            while self._waiting:
                batch = list(islice(self._waiting, _BATCH))
                again = await self._write(batch)
                for _ in batch:
                    self._waiting.popleft()
                self._waiting.extendleft(reversed(again))
                if again:
                    await asyncio.sleep(self._pause)
            self._written.set()

    async def _write(self, batch: Sequence[NewRecord]) -> list[NewRecord]:
        """The records to try again. They have ids, so that one that was written after all is not written twice."""
        deadlines = Deadlines()
        deadline = deadlines.start(_WRITE_SECONDS)
        try:
            await deadline.run(self._make_topic())
            outcomes = await self._log.publish(AUDIT_TOPIC, batch, deadline)
        except SluiceError as error:
            outcomes = [Failed(error)] * len(batch)
        finally:
            deadlines.end(deadline)
        failed = [(rec, out.error) for rec, out in zip(batch, outcomes, strict=True) if isinstance(out, Failed)]
        again = [record for record, error in failed if isinstance(error, _PASSING)]
        if len(again) < len(failed):
            self._lose(len(failed) - len(again), failed[0][1].message)
        return again

    async def _make_topic(self) -> None:
        if AUDIT_TOPIC not in await self._log.topics():
            with contextlib.suppress(AlreadyExists):
                await self._log.create(self._topic)

    def _lose(self, count: int, reason: str) -> None:
        if count:
            self._metrics.audit_lost.inc(count)
            _log.warning("audit events lost", count=count, reason=reason)
