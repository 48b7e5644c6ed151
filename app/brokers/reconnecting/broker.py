"""A broker that comes back: any `Log`, with a queue in front, a breaker, and a connection that heals.

While the broker is away sends wait here, where a deadline still means "not written"; reads are refused at once. What
failed and is known not to be written is sent again within its deadline; what may be written never is: the client may
repeat it with the same event ids.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import TypeVar

from app.broker import BrokerKind, Log, Membership, Sharer
from app.brokers.reconnecting.session import Session
from app.deadline import Deadline
from app.errors import NOT_WRITTEN, CircuitOpen, DeadlineExceeded, Disconnected, NotFound, Overloaded
from app.group import GroupInfo
from app.record import Failed, Fetched, Limit, NewRecord, Outcome, Position, Show, Written
from app.resilience.breaker import CircuitBreaker, Permit, Rejected
from app.topic import TopicInfo, TopicLayout, TopicSpec

T = TypeVar("T")

PAUSE = 0.05
"""Seconds before something that was refused by a broker that is there is sent again."""


class ReconnectingBroker:
    """`Log` over another. At most `most_waiting` sends wait at once, the next is Overloaded.

    The breaker counts what shows that the broker is away: connections that fail, and sends that waited for
    `longest_wait` seconds, the gateway's own deadline, in vain. A shorter one is the client's wish and counts for
    nothing.
    """

    def __init__(
        self, inner: Log, session: Session, breaker: CircuitBreaker, *, longest_wait: float, most_waiting: int
    ) -> None:
        self.kind: BrokerKind = inner.kind
        self._inner = inner
        self._session = session
        self._breaker = breaker
        self._longest_wait = longest_wait
        self._most_waiting = most_waiting
        self._layouts: dict[str, TopicLayout] = {}
        self.waiting = session.waiting

    @property
    def fault(self) -> str | None:
        """None: it heals by itself."""
        return None

    async def open(self) -> None:
        await self._session.open()

    async def close(self) -> None:
        await self._session.close()

    async def ping(self) -> None:
        self._session.check()
        await self._watched(self._inner.ping)

    async def publish(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        """As `Broker.publish`. Raises CircuitOpen, Overloaded: nothing was written, nothing waits."""
        waiting, session, permit = self.waiting, self._session, self._permit()
        number, served = waiting.begin(), False
        outcomes: list[Outcome] = []
        left = records
        try:
            while left:
                generation = session.generation
                send = self._inner.publish if session.state == "ready" else self._publish_when_ready
                try:
                    answered = await send(topic, left, deadline)
                except Disconnected as error:
                    answered = [Failed(error)] * len(left)
                outcomes = _joined(outcomes, answered) if outcomes else answered
                if Failed not in map(type, answered):  # in C: every send asks this
                    served = True
                    break
                session.suspect(generation)
                outcomes, left = await _pause(records, outcomes, deadline)
            else:
                served = Written in map(type, outcomes)
            if served:
                permit.succeeded()
            else:
                self._judge(permit, outcomes, waiting[number])
        except BaseException:
            permit.gave_back()
            raise
        finally:
            waiting.end(number, served=served)
        return outcomes

    async def prepare(self, topic: str) -> None:
        await self._watched(lambda: self._inner.prepare(topic))

    async def fetch(self, at: Position, limit: Limit, wait: float = 0, show: Show | None = None) -> Fetched:
        return await self._watched(lambda: self._inner.fetch(at, limit, wait, show))

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        return await self._watched(lambda: self._inner.committed(group, topic))

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        await self._watched(lambda: self._inner.commit(group, topic, offsets))

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        return await self._watched(lambda: self._inner.join(group, topic, sharer))

    async def check_free(self, group: str) -> None:
        await self._watched(lambda: self._inner.check_free(group))

    async def forget(self, group: str, topic: str) -> None:
        await self._watched(lambda: self._inner.forget(group, topic))

    async def offsets_at(self, topic: str, time_ms: int) -> dict[int, int]:
        return await self._watched(lambda: self._inner.offsets_at(topic, time_ms))

    async def layout(self, topic: str, *, fresh: bool = False) -> TopicLayout:
        """While the broker is away: the last one known; of a topic never seen, waits until it is back."""
        while True:
            try:
                found = self._layouts[topic] = await self._watched(lambda: self._inner.layout(topic, fresh=fresh))
            except Disconnected:
                if topic in self._layouts:
                    return self._layouts[topic]
                await self._session.ready_again()
            except NotFound:
                self._layouts.pop(topic, None)
                raise
            else:
                return found

    async def groups(self) -> list[GroupInfo]:
        return await self._watched(self._inner.groups)

    async def group(self, name: str) -> GroupInfo:
        return await self._watched(lambda: self._inner.group(name))

    async def nodes(self) -> int:
        return await self._watched(self._inner.nodes)

    async def topics(self) -> dict[str, int]:
        return await self._watched(self._inner.topics)

    async def describe(self, topic: str) -> TopicInfo:
        return await self._watched(lambda: self._inner.describe(topic))

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        return await self._watched(lambda: self._inner.describe_many(topics))

    async def create(self, spec: TopicSpec) -> None:
        await self._watched(lambda: self._inner.create(spec))

    async def alter(self, topic: str, *, partitions: int | None, configs: Mapping[str, str]) -> None:
        await self._watched(lambda: self._inner.alter(topic, partitions=partitions, configs=configs))

    async def delete(self, topic: str) -> None:
        await self._watched(lambda: self._inner.delete(topic))

    async def _watched(self, call: Callable[[], Awaitable[T]]) -> T:
        """Raises Disconnected without a connection; one that fails in use is looked after."""
        self._session.check()
        generation = self._session.generation
        try:
            return await call()
        except Disconnected:
            self._session.suspect(generation)
            raise

    def _permit(self) -> Permit:
        if len(self.waiting) >= self._most_waiting:
            raise Overloaded(f"{len(self.waiting)} sends are waiting for the broker already")
        try:
            return self._breaker.permit()
        except Rejected as error:
            raise CircuitOpen(
                "the broker has been failing; nothing is sent to it for a while", retry_after=error.retry_after
            ) from None

    async def _publish_when_ready(self, topic: str, records: Sequence[NewRecord], deadline: Deadline) -> list[Outcome]:
        if not await self._session.ready(deadline):
            return [Failed(deadline.error(NOT_WRITTEN))] * len(records)
        return await self._inner.publish(topic, records, deadline)

    def _judge(self, permit: Permit, outcomes: Sequence[Outcome], started: float) -> None:
        """What it says of the broker that nothing came through."""
        errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        if any(isinstance(error, Disconnected) for error in errors) or (
            any(isinstance(error, DeadlineExceeded) for error in errors)
            and monotonic() - started >= 0.95 * self._longest_wait
        ):
            permit.failed()
        else:
            permit.gave_back()


async def _pause(
    records: Sequence[NewRecord], outcomes: list[Outcome], deadline: Deadline
) -> tuple[list[Outcome], list[NewRecord]]:
    """The outcomes, and those records that are to be sent again now: none when there is no time left for that."""
    again = [record for record, outcome in zip(records, outcomes, strict=True) if _goes_again(outcome)]
    if again and deadline.remaining() <= PAUSE:
        late = Failed(DeadlineExceeded("the broker took nothing within this request's deadline"))
        return [late if _goes_again(outcome) else outcome for outcome in outcomes], []
    if again:
        await asyncio.sleep(PAUSE)
    return outcomes, again


def _joined(before: list[Outcome], answered: list[Outcome]) -> list[Outcome]:
    """With what became of those that were sent again."""
    rest = iter(answered)
    return [next(rest) if _goes_again(outcome) else outcome for outcome in before]


def _goes_again(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Failed) and isinstance(outcome.error, Disconnected) and outcome.error.outcome == NOT_WRITTEN
    )
