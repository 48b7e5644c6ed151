"""Live feeds of topics: opens tails, and ends them all when the gateway stops."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.broker import Log
from app.errors import ShuttingDown
from app.gateway.live.feeds import Feeds
from app.gateway.live.listener import Listener
from app.gateway.live.page import Render
from app.gateway.live.start import Ask, Start, start_of
from app.gateway.live.tail import Tail
from app.names import TopicName

BEAT = 15.0
"""Seconds after which a client gets a sign of life."""


class Live:
    """What is listened to. At most `most_bytes` of messages wait for one client; `render` is how it gets them."""

    def __init__(self, log: Log, *, render: Render, most_bytes: int, beat: float = BEAT) -> None:
        self._log = log
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

    async def start(self, topic: TopicName, ask: Ask) -> Start:
        """Where a tail begins. Raises NotFound, ValidationFailed, Disconnected, ShuttingDown."""
        if self._stopping:
            raise _stopped()
        return await start_of(self._log, topic.full, ask)

    @contextmanager
    def open(self, topic: TopicName, ask: Ask, start: Start) -> Iterator[Tail]:
        """A tail that begins there."""
        listener = Listener(most_bytes=self._most_bytes, beat=self._beat)
        self._listeners.add(listener)
        grows = ask.partition is None
        tail = Tail(self._log, self.feeds, topic.full, start, listener, self._render, grows=grows)
        if self._stopping:
            listener.end(_stopped())
        try:
            yield tail
        finally:
            self._listeners.discard(listener)
            tail.close()


def _stopped() -> ShuttingDown:
    return ShuttingDown("the gateway is shutting down; go on at another one")
