"""Live members of Kafka's own consumer groups, by aiokafka's coordinator, which joins and heartbeats and reads nothing.

https://kafka.apache.org/protocol#The_Messages_JoinGroup. Rebalances are eager. A member lost for good tells its sharer.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from app.broker import Membership, Sharer
from app.brokers.kafka.errors import kafka_errors
from app.brokers.kafka.internals import (
    Client,
    CommitFailedError,
    Coordinator,
    RebalanceListener,
    close_client,
    committed_at,
    make_coordinator,
)
from app.brokers.kafka.options import KafkaOptions
from app.brokers.members import answered
from app.errors import Conflict, Disconnected, PollFailed

JOIN_SECONDS = 20.0
"""A group's first rebalance waits for more members, by default for 3 s."""

LOOK_SECONDS = 1.0
METADATA_MS = 15_000
"""How often to look for more partitions."""


class _Member:
    """One membership. `ended` is called once it is none."""

    def __init__(
        self, options: KafkaOptions, group: str, topic: str, sharer: Sharer, ended: Callable[["_Member"], None]
    ) -> None:
        self._options = options
        self._group = group
        self._topic = topic
        self._sharer = sharer
        self._ended = ended
        self._client: Client | None = None
        self._coordinator: Coordinator | None = None
        self._watch: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()

    async def join(self) -> None:
        """Return when there is a share, and the sharer knows. Raises Disconnected, PollFailed."""
        try:
            with kafka_errors("joining the consumer group", PollFailed):
                async with asyncio.timeout(JOIN_SECONDS):
                    await self._join()
        except BaseException:
            await self._close()
            raise

    async def commit(self, offsets: Mapping[int, int]) -> None:
        coordinator = self._coordinator
        if coordinator is None:
            raise Conflict("it is no member of the group any more")
        try:
            with kafka_errors("a commit", PollFailed):
                async with asyncio.timeout(self._options.request_timeout):  # aiokafka tries for ever
                    await coordinator.commit_offsets(None, committed_at(self._topic, offsets))
        except CommitFailedError as error:
            raise Conflict("another member reads these partitions now") from error

    async def leave(self) -> None:
        await answered(self._sharer.give_up())
        await self._close()

    async def lose(self, error: Exception) -> None:
        """It ends without the sharer's doing."""
        self._sharer.lost(error)
        await self._close()

    async def _join(self) -> None:
        milliseconds = int(self._options.request_timeout * 1000)
        self._client = Client(
            request_timeout_ms=milliseconds, metadata_max_age_ms=METADATA_MS, **self._options.for_client()
        )
        await self._client.bootstrap()
        await self._client.set_topics([self._topic])
        listener = RebalanceListener(self._revoked, self._assigned)
        self._coordinator = make_coordinator(self._client, self._group, self._topic, listener)
        self._watch = asyncio.create_task(self._look_after(self._coordinator), name="kafka-member")
        taken = asyncio.ensure_future(self._taken.wait())
        either: set[asyncio.Future[Any]] = {taken, self._watch}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            taken.cancel()
        if self._watch.done():
            raise Disconnected("the consumer group took no new member")

    async def _revoked(self) -> None:
        await answered(self._sharer.give_up())

    async def _assigned(self, partitions: set[int]) -> None:
        await answered(self._sharer.take(sorted(partitions), self))
        self._taken.set()

    async def _look_after(self, coordinator: Coordinator) -> None:
        """aiokafka keeps what it can't get over until it is asked."""
        try:
            with kafka_errors("being a member of the consumer group", PollFailed):
                while not coordinator.ended:
                    await asyncio.sleep(LOOK_SECONDS)
                    coordinator.check_errors()
        except (Disconnected, PollFailed) as error:
            self._sharer.lost(error)
        else:
            self._sharer.lost(Disconnected("the consumer group's coordination has ended"))

    async def _close(self) -> None:
        self._ended(self)
        coordinator, self._coordinator = self._coordinator, None
        client, self._client = self._client, None
        if self._watch is not None:
            self._watch.cancel()
        if coordinator is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.close_timeout):
                    await coordinator.close()
        if client is not None:
            await close_client(client, self._options.close_timeout)


class Memberships:
    """All of this process, each with connections of its own."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._members: set[_Member] = set()

    async def join(self, group: str, topic: str, sharer: Sharer) -> Membership:
        """As `Broker.join`."""
        member = _Member(self._options, group, topic, sharer, self._members.discard)
        self._members.add(member)
        await member.join()
        return member

    async def close(self) -> None:
        """None is a member any more."""
        closed = Disconnected("the connection to Kafka was closed")
        await asyncio.gather(*(member.lose(closed) for member in list(self._members)))
