"""Polling: from the offset given, else the one committed, else the log's start; committed once the answer is out."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from msgspec import Struct

from app.broker import Broker
from app.deadline import Deadline
from app.errors import SluiceError
from app.gateway.turns import Turns
from app.names import TopicName
from app.record import Fetched, Limit, Position, Show
from app.telemetry.logs import get_logger
from app.telemetry.metrics.messages import MessageMetrics

_ANSWER_SECONDS = 0.5
_COMMIT_SECONDS = 5.0

_log = get_logger(__name__)


class Poll(Struct, frozen=True):
    """What a client asks for. `wait` is in seconds; `offset` None means: go on where the consumer left off."""

    partition: int
    offset: int | None
    limit: Limit
    consumer_id: str
    auto_commit: bool
    wait: float


class Delivery(Struct, frozen=True):
    """What a poll found. `settle(written)` is to be called once: when the answer is out, or could not be written."""

    fetched: Fetched
    settle: Callable[[bool], Awaitable[None]]


class Consumer:
    """Reads topics for clients that poll, to whom records are shown by `show`.

    Holds no state between polls: offsets are the broker's.
    """

    def __init__(self, broker: Broker, *, show: Show, group_prefix: str, metrics: MessageMetrics) -> None:
        self._broker = broker
        self._show = show
        self._group_prefix = group_prefix
        self._metrics = metrics
        self._turns = Turns()
        self._stopping = asyncio.Event()

    def stop_waiting(self) -> None:
        """The gateway stops: polls that wait answer with what they have, at once and from now on."""
        self._stopping.set()

    async def poll(self, topic: TopicName, poll: Poll, deadline: Deadline) -> Delivery:
        """At least once: offsets are committed only after the answer was written.

        Raises NotFound, Disconnected, Conflict (`auto_commit` for a group with live members).

        `auto_commit` polls of one (consumer, topic, partition) take turns, from the look at the committed offset until
        its commit; none of them holds the turn while it waits for messages.
        """
        started = perf_counter()
        until = started + min(poll.wait, deadline.remaining() - _ANSWER_SECONDS)
        if poll.wait and poll.offset is not None and not poll.auto_commit:
            at = Position(topic.full, poll.partition, poll.offset)
            waited = await self._arrival(at, poll.limit, until - started, deadline)
            if waited is not None:
                self._observe(topic, waited, perf_counter() - started)
                return Delivery(waited, _nothing_to_settle)
        if poll.auto_commit:
            await deadline.run(self._broker.check_free(self._group(poll)))
        while True:
            turn = (poll.consumer_id, topic.full, poll.partition) if poll.auto_commit else None
            if turn:
                await deadline.run(self._turns.take(turn))
            try:
                fetched = await deadline.run(self._read(topic, poll))
            except BaseException:
                self._end_turn(turn)
                raise
            left = until - perf_counter()
            if fetched.records or left <= 0 or self._stopping.is_set():
                self._observe(topic, fetched, perf_counter() - started)
                return Delivery(fetched, self._settling(topic, poll, fetched, turn))
            self._end_turn(turn)
            await self._arrival(Position(topic.full, poll.partition, fetched.next_offset), Limit(1, 1), left, deadline)

    async def _read(self, topic: TopicName, poll: Poll) -> Fetched:
        if poll.offset is not None:
            return await self._shown(Position(topic.full, poll.partition, poll.offset), poll.limit)
        committed = (await self._broker.committed(self._group(poll), topic.full)).get(poll.partition, 0)
        fetched = await self._shown(Position(topic.full, poll.partition, committed), poll.limit)
        if committed > fetched.high_watermark:  # the topic was made anew: what was committed is another one's
            return await self._shown(Position(topic.full, poll.partition, 0), poll.limit)
        return fetched

    async def _shown(self, at: Position, limit: Limit, wait: float = 0) -> Fetched:
        return await self._broker.fetch(at, limit, wait, self._show)

    async def _arrival(self, at: Position, limit: Limit, seconds: float, deadline: Deadline) -> Fetched | None:
        """What stands at the position, or comes within these seconds. None: the gateway stops."""
        waiting = asyncio.ensure_future(self._shown(at, limit, max(seconds, 0)))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await deadline.run(asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED))
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            stopping.cancel()
            await asyncio.wait({waiting, stopping})

    def _settling(
        self, topic: TopicName, poll: Poll, fetched: Fetched, turn: tuple[str, str, int] | None
    ) -> Callable[[bool], Awaitable[None]]:
        async def settle(written: bool) -> None:  # noqa: FBT001  # a callback with one question to answer
            try:
                if turn and written and fetched.records:
                    await self._commit(topic, poll, fetched.next_offset)
            finally:
                self._end_turn(turn)

        return settle

    async def _commit(self, topic: TopicName, poll: Poll, next_offset: int) -> None:
        """A commit that fails is no error for anybody: the answer is out, and the records will come again."""
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._broker.commit(self._group(poll), topic.full, {poll.partition: next_offset})
        except (SluiceError, TimeoutError) as error:
            self._metrics.commits_refused.inc()
            _log.warning("commit refused", group=self._group(poll), topic=topic.full, reason=str(error))

    def _end_turn(self, turn: tuple[str, str, int] | None) -> None:
        if turn:
            self._turns.give_back(turn)

    def _group(self, poll: Poll) -> str:
        return self._group_prefix + poll.consumer_id

    def _observe(self, topic: TopicName, fetched: Fetched, seconds: float) -> None:
        messages, size = len(fetched.records), fetched.size
        self._metrics.polled(topic.stream, topic.topic, messages=messages, size=size, seconds=seconds)


async def _nothing_to_settle(_written: bool) -> None:  # noqa: FBT001  # a callback with one question to answer
    """Offsets of a poll without `auto_commit` are the client's."""
