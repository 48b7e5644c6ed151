"""Live feeds of topics: opens tails, and ends them all when the gateway stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from app.broker import Log, Membership
from app.errors import ShuttingDown
from app.gateway.live.feeds import Feeds
from app.gateway.live.listener import Listener
from app.gateway.live.page import Render
from app.gateway.live.progress import Progress
from app.gateway.live.share import Alone, Share
from app.gateway.live.start import Ask, Start, start_of
from app.gateway.live.tail import Tail
from app.names import TopicName

BEAT = 15.0
"""Seconds after which a client gets a sign of life."""


class Live:
    """What is listened to. At most `most_bytes` of messages wait for one client; `render` is how it gets them.

    A consumer's group is its id behind `group_prefix`; `refused` is told of commits that were.
    """

    def __init__(
        self,
        log: Log,
        *,
        render: Render,
        most_bytes: int,
        group_prefix: str,
        refused: Callable[[], None],
        beat: float = BEAT,
    ) -> None:
        self._log = log
        self._group_prefix = group_prefix
        self._refused = refused
        self._render = render
        self._most_bytes = most_bytes
        self._beat = beat
        self.feeds = Feeds(log, render)
        self._listeners: set[Listener] = set()
        self._stopping = False

    def __len__(self) -> int:
        """How many tails are open."""
        return len(self._listeners)

    def stop(self) -> None:
        """The gateway stops: every tail is over, now and from now on."""
        self._stopping = True
        for listener in self._listeners:
            listener.end(_stopped(), at_once=True)

    def rouse(self) -> None:
        """Every tail has a beat now: those who may not listen any more are found."""
        for listener in self._listeners:
            listener.rouse()

    async def start(self, topic: TopicName, ask: Ask) -> Start:
        """Where a tail begins. Raises NotFound, ValidationFailed, Disconnected, ShuttingDown."""
        if self._stopping:
            raise _stopped()
        return await start_of(self._log, topic.full, ask)

    @asynccontextmanager
    async def open(self, topic: TopicName, ask: Ask, start: Start) -> AsyncIterator[Tail]:
        """A tail that begins there, or where its consumer is. Raises as `Broker.join` does."""
        listener = Listener(most_bytes=self._most_bytes, beat=self._beat)
        progress = Progress(self._refused) if ask.consumer_id is not None else None
        if progress is not None:
            start = Start({}, behind=False)
        grows = ask.partition is None and progress is None
        tail = Tail(self._log, self.feeds, topic.full, start, listener, self._render, grows=grows, progress=progress)
        self._listeners.add(listener)
        if self._stopping:
            listener.end(_stopped())
        try:
            async with AsyncExitStack() as stack:
                if progress is not None:
                    await stack.enter_async_context(self._membership(topic.full, ask, tail, progress))
                yield tail
        finally:
            self._listeners.discard(listener)
            tail.close()

    @asynccontextmanager
    async def _membership(self, topic: str, ask: Ask, tail: Tail, progress: Progress) -> AsyncIterator[None]:
        group = f"{self._group_prefix}{ask.consumer_id}"
        share = Share(self._log, group, topic, ask, tail, progress)
        membership: Membership
        if ask.partition is None:
            membership = await self._log.join(group, topic, share)
        else:
            await self._log.check_free(group)
            membership = Alone(self._log, group, topic)
            await share.take([ask.partition], membership)
        try:
            yield
        finally:
            await asyncio.shield(asyncio.ensure_future(_part(share, membership, progress)))


async def _part(share: Share, membership: Membership, progress: Progress) -> None:
    """Leave nothing half done, be the client gone."""
    await share.give_up()
    await membership.leave()
    await progress.close()


def _stopped() -> ShuttingDown:
    return ShuttingDown("the gateway is shutting down; go on at another one")
