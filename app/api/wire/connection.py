"""One connection: what it may take of the gateway."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from aiohttp import StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import _ErrInfo

from app.api.wire.crowd import Crowd
from app.api.wire.exchanges import Exchanges
from app.api.wire.framing import fault_of, size_of
from app.api.wire.masks import MaskedReader
from app.api.wire.outbox import HeldTransport, Outbox
from app.errors import BadRequest, Overloaded, RequestTooSlow, SluiceError

_UNREAD_BYTES = 65_536


class Bounds(NamedTuple):
    """How many connections there may be (0: any number), and what the head of a request may take on one.

    A head's time begins with its first byte, so that an idle connection may stay as long as keep-alive lets it.
    """

    connections: int = 0
    head_bytes: int = 65_536
    head_seconds: float = 10.0

    @property
    def unanswered(self) -> int:
        """From so many connections on, one more is not even told why it is closed."""
        return self.connections + self.connections // 4 + 16


class Connection(Exchanges):
    """A connection that keeps to its bounds. `refused` is told why it did not, in a word for a metric."""

    __slots__ = (
        "_body",
        "_bounds",
        "_crowd",
        "_head_bytes",
        "_head_ends",
        "_large",
        "_lost",
        "_outbox",
        "_refused",
        "_shut",
    )

    def __init__(
        self,
        server: web.Server,
        crowd: Crowd,
        outbox: Outbox,
        *,
        bounds: Bounds,
        refused: Callable[[str], None],
        **how: Any,
    ) -> None:
        super().__init__(server, **how)
        self._max_msg_queue_size -= 1  # aiohttp (3.14) counts one more, behind a body that came late, and never went on
        self._crowd = crowd
        self._outbox = outbox
        self._bounds = bounds
        self._refused = refused
        self._body: StreamReader | None = None
        self._head_bytes = 0
        self._head_ends: asyncio.TimerHandle | None = None
        self._large = False
        """Whether a head on it may be larger than it may."""
        self._shut = False
        self._lost: list[Callable[[], None]] = []

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Tell when there is nobody left at the other end, be it already."""
        if self.transport is None:
            tell()
        else:
            self._lost.append(tell)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(HeldTransport(cast(asyncio.Transport, transport), self._outbox))
        most = self._bounds.connections
        if most and self._crowd.size > self._bounds.unanswered:
            self._refused("too_many_connections")
            self.force_close()
        elif most and self._crowd.served > most:
            self._refuse("too_many_connections", Overloaded(f"there are {most} connections, no more are taken"))

    def eof_received(self) -> None:
        """The transport closes itself now; what is written goes out before."""
        if isinstance(self.transport, HeldTransport):
            self.transport.send()
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_came()
        self._crowd.refused.discard(self)
        super().connection_lost(exc)
        for tell in self._lost:
            tell()
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        if self._shut:
            return
        in_head = self._body is None or self._body.is_eof()
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._large = self._large or self._head_bytes + len(data) > self._bounds.head_bytes
            if self._head_bytes:
                self._head_came()
            if self._messages:
                last, self._body = self._messages[-1]
                if not isinstance(last, RawRequestMessage):  # an error stands behind the last request
                    self._break_off()
        elif in_head and data and not self._messages and not self._upgraded:  # else it may be whole, and wait unparsed
            self._head_goes_on(len(data))

    def _break_off(self) -> None:
        """aiohttp does not tell a body that its chunks are broken: whoever reads it would wait until the deadline."""
        received = self._messages
        body = received[-2][1] if len(received) > 1 else getattr(self._current_request, "content", None)
        if body is not None and not body.is_eof():
            body.set_exception(web.RequestPayloadError("broken chunks"))
            body.feed_eof()

    def _head_goes_on(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            self._refuse("large_head", BadRequest(_too_large(self._bounds.head_bytes)))
        elif self._head_ends is None:
            self._head_ends = self._loop.call_later(self._bounds.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        self._head_bytes = 0
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _head_is_late(self) -> None:
        seconds = self._bounds.head_seconds
        self._refuse("slow_head", RequestTooSlow(f"the request's head did not come within {seconds:g} s"))

    def _refuse(self, reason: str, error: SluiceError) -> None:
        """Answer with the error behind what is being answered, and read nothing more."""
        self._refused(reason)
        self._shut = True
        if self._current_request is None:  # else it has its place until that is answered
            self._crowd.refused.add(self)
        self._head_came()
        rest = StreamReader(self, _UNREAD_BYTES, loop=self._loop)  # never ends: so it lingers before it closes
        self._messages.append((_ErrInfo(status=400, exc=error, message=""), rest))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _refuse_request(self, error: SluiceError, mistake: Exception | None = None) -> bool:
        if self._shut:
            self._crowd.refused.add(self)
        return super()._refuse_request(error, mistake)

    def _fault_of(self, message: RawRequestMessage) -> str | None:
        if self._large and size_of(message) > self._bounds.head_bytes:
            self._refused("large_head")
            return _too_large(self._bounds.head_bytes)
        return fault_of(message)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  # as aiohttp has it
        """Nothing to do unless reading was paused: aiohttp feeds its parser anew after every piece of a body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """For what is no HTTP from here on: a WebSocket."""
        super().set_parser(MaskedReader(parser), data_received_cb)  # type: ignore[arg-type]  # all it needs of one


def _too_large(most: int) -> str:
    return f"the request's head is larger than {most} bytes"
