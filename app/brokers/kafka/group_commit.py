"""Group commit: whoever waits for a partition at the same moment shares a record batch.

One batch of a partition is on its way; what comes meanwhile waits here, where a deadline still means "not written",
and makes the next one. No linger: a batch grows as long as the one before it takes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Protocol

from msgspec import Struct, field

from app.brokers.kafka.errors import of_handover, of_write
from app.deadline import Deadline
from app.errors import NOT_WRITTEN, UNKNOWN, DeadlineExceeded, Disconnected, SendFailed, SluiceError
from app.record import Failed, NewRecord, Outcome, Written

APART_SECONDS = 60.0
"""For so long nobody shares a batch after the broker refused a shared one."""

SLOW_SECONDS = 1.0

LATE_SECONDS = 0.05
"""Several times what a batch takes on a broker that is well, and little beside a deadline."""

_LOG_APPEND_TIME = 1

_RECORDS, _REPEATS = map(attrgetter, ("records", "repeats"))

HandOver = Callable[[list[NewRecord]], Awaitable["asyncio.Future[Any]"]]
"""Gives records to aiokafka as one batch; answers the future of its delivery. When it raises, nothing was queued."""


class Repeats(Protocol):
    """Whoever follows the events of a part."""

    def end(self, parts: "Sequence[Part]", /) -> None:
        """These are resolved."""
        ...


class Part(Struct, eq=False):
    """A request's records for one partition: all in one batch. `size` is what they take in it, in bytes.

    It is resolved with their `outcomes`, once; failures are outcomes, too. Those who wait are told at once, without a
    turn of the loop in between.
    """

    records: Sequence[NewRecord]
    size: int
    repeats: Repeats | None = None
    handed: bool = False
    withdrawn: bool = False
    outcomes: list[Outcome] | None = None
    _sender: "asyncio.Future[list[Outcome]] | None" = None
    _told: "list[asyncio.Future[list[Outcome]]]" = field(default_factory=list)

    def answer_by(self, deadline: Deadline) -> "asyncio.Future[list[Outcome]]":
        """For its sender, before anything has become of it: its outcomes, by the deadline."""
        sender = self._sender = deadline.loop.create_future()
        self._told.append(sender)
        deadline.when_over(self._give_up)
        return sender

    def answer(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[list[Outcome]]":
        """For others: its outcomes, whenever they come. Each gets its own, to be awaited by one task alone."""
        answer = loop.create_future()
        if self.outcomes is None:
            self._told.append(answer)
        else:
            answer.set_result(self.outcomes)
        return answer

    def fail(self, error: SluiceError) -> None:
        self.resolve([Failed(error)] * len(self.records))

    def resolve(self, outcomes: list[Outcome]) -> None:
        if self.outcomes is None:
            self.tell(outcomes)
            if self.repeats is not None:
                self.repeats.end((self,))

    def tell(self, outcomes: list[Outcome]) -> None:
        """Resolve it; its repeats are told by the caller, who has more parts to tell of."""
        self.outcomes = outcomes
        for answer in self._told:
            if not answer.done():
                answer.set_result(outcomes)

    def _give_up(self, deadline: Deadline) -> None:
        """Its sender's deadline has come: what was not handed to aiokafka until then never will be."""
        sender = self._sender
        if sender is None or sender.done():
            return
        error = deadline.error(UNKNOWN if self.handed else NOT_WRITTEN)
        sender.set_result([Failed(error)] * len(self.records))
        if not self.handed:
            self.withdrawn = True
            self.fail(DeadlineExceeded("its sender waited no longer"))


class GroupCommit:
    """The queue of one partition.

    `on_failure` is told of every batch that aiokafka took and gave back as failed, `on_delay` every second or two that
    one takes, unless what it began is still under way: the topic may be gone.
    """

    def __init__(
        self,
        hand_over: HandOver,
        *,
        partition: int,
        on_failure: Callable[[BaseException], None],
        on_delay: Callable[[], "asyncio.Task[None]"],
    ) -> None:
        self._hand_over = hand_over
        self._partition = partition
        self._on_failure = on_failure
        self._on_delay = on_delay
        self._waiting: deque[Part] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._begun = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._room = 0
        self.waiting_bytes = 0
        self._apart_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether its batch is late, or enough for the next one waits already."""
        if self._pump is None:
            return False
        return self.waiting_bytes >= self._room or self._loop.time() - self._begun > LATE_SECONDS

    def put(self, part: Part, room: int) -> None:
        """Queue it; whatever else is queued in this turn of the loop shares its batch, as far as that has `room`."""
        self._room = room
        self._waiting.append(part)
        self.waiting_bytes += part.size
        if self._pump is None:
            self._begun = self._loop.time()
            self._pump = self._loop.create_task(self._run())

    def fail_waiting(self, error: SluiceError) -> None:
        """None of those that still wait here is written."""
        self.waiting_bytes = 0
        while self._waiting:
            self._waiting.popleft().fail(error)

    async def finished(self) -> None:
        """Return when nothing is on its way."""
        if self._pump is not None:
            await asyncio.wait({self._pump})

    async def _run(self) -> None:
        try:
            while parts := self._gather():
                await self._send(parts)
        finally:
            self._pump = None

    def _gather(self) -> list[Part]:
        self._begun = self._loop.time()
        apart = self._begun < self._apart_until
        parts: list[Part] = []
        waiting, room = self._waiting, self._room
        while waiting and (waiting[0].size <= room or not parts):
            part = waiting.popleft()
            self.waiting_bytes -= part.size
            if not part.withdrawn:
                part.handed = True
                parts.append(part)
                room = 0 if apart else room - part.size
        return parts

    async def _send(self, parts: list[Part]) -> None:
        records = list(chain.from_iterable(map(_RECORDS, parts)))
        try:
            delivery = await self._hand_over(records)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was queued
            refusal = of_handover(error)
            for part in parts:
                part.handed = False
                part.fail(refusal)
            return
        if self._watch is None:
            self._watch = self._loop.call_later(SLOW_SECONDS, self._look)
        try:
            self._settle(parts, records, await delivery)
        except Exception as error:  # noqa: BLE001 - whatever aiokafka gives back as this batch's failure
            self._failed(parts, error)

    def _look(self) -> None:
        """Once a second while there is something to do, which costs less than a timer for each batch."""
        self._watch = self._loop.call_later(SLOW_SECONDS, self._look) if self._pump is not None else None
        slow = self._pump is not None and self._loop.time() - self._begun >= SLOW_SECONDS
        if slow and (self._looking is None or self._looking.done()):
            self._looking = self._on_delay()

    def _settle(self, parts: list[Part], records: list[NewRecord], answer: Any) -> None:
        """Offsets count from the batch's first. A timestamp is the record's own, unless the topic stamps them."""
        if answer is None or answer.offset < 0:
            error = SendFailed("the records are written, but the broker did not say where", outcome=UNKNOWN)
            for part in parts:
                part.fail(error)
            return
        stamp = answer.timestamp if answer.timestamp_type == _LOG_APPEND_TIME else None
        outcomes: list[Outcome] = [
            Written(self._partition, offset, record.timestamp_ms if stamp is None else stamp)
            for offset, record in enumerate(records, answer.offset)
        ]
        start = 0
        for part in parts:
            end = start + len(part.records)
            part.tell(outcomes[start:end])
            start = end
        for repeats, own in groupby(parts, key=_REPEATS):
            if repeats is not None:
                repeats.end(list(own))

    def _failed(self, parts: list[Part], error: Exception) -> None:
        self._on_failure(error)
        failure = of_write(error)
        if len(parts) > 1 and failure.outcome == NOT_WRITTEN and not isinstance(failure, Disconnected):
            self._apart_until = self._loop.time() + APART_SECONDS
            failure = Disconnected("a batch shared with others was refused; it goes again by itself")
        for part in parts:
            part.fail(failure)
