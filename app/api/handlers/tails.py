"""A topic as it grows: `…/topics/{topic}/tail`, as server-sent events or as a WebSocket."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Protocol

from aiohttp import hdrs, web

from app.api.answer import Answer, Response
from app.api.audit_topic import asks_for_audit
from app.api.feeds.event_stream import EVENT_STREAM, HEADERS, EventStream
from app.api.feeds.line import Line
from app.api.feeds.socket import Socket, asks_for_socket
from app.api.parsing.tails import LAST_EVENT_ID, tail_query
from app.api.request import Request, topic_of
from app.deadline import Clock
from app.door.keyring import Identity
from app.door.scopes import Right
from app.errors import Forbidden, NotAcceptable, Overloaded, SluiceError, Unauthorized
from app.gateway.audit import AUDIT
from app.gateway.live.live import Live
from app.gateway.live.page import Item, Page
from app.gateway.live.start import Ask
from app.gateway.live.tail import Tail
from app.names import TopicName
from app.telemetry.logs import get_logger
from app.telemetry.metrics.tails import TailMetrics, Transport

PIECE = 65_536
"""Bytes after which to look whether the client takes more."""

_LONGEST_TIMER = 86_400.0
"""Seconds: a key that ends later is looked at by the beats."""

_log = get_logger(__name__)


class Voice(Protocol):
    """How one client is told. Everything raises ConnectionError once it is gone."""

    transport: Transport
    acknowledged: bool
    """Whether the client says itself what it is done with."""

    line: Line
    """There once it has begun."""

    async def begin(self, tail: Tail) -> web.StreamResponse:
        """Write the head of the answer."""
        ...

    async def tell(self, partition: int, items: Sequence[Item]) -> None: ...

    def passed(self, positions: Mapping[int, int]) -> None:
        """All before these offsets is told, or is not for this client."""
        ...

    async def beat(self) -> None:
        """Give a sign of life."""
        ...

    async def end(self, error: SluiceError, tail: Tail) -> None:
        """Tell why nothing more comes, and hang up."""
        ...

    async def close(self) -> None: ...


class Tails:
    """Handlers for live feeds; `whose` tells by its key whose a request is now."""

    def __init__(self, live: Live, metrics: TailMetrics, whose: Callable[[Request], Identity], *, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._whose = whose
        self._metrics = metrics

    async def tail(self, request: Request) -> Response:
        topic = AUDIT if asks_for_audit(request) else topic_of(request)
        ask = tail_query(request.query, request.headers.get(LAST_EVENT_ID))
        socket = asks_for_socket(request)
        if not socket:
            _check_accepted(request.headers.getall(hdrs.ACCEPT, ()))
        start = await request.call.deadline.run(self._live.start(topic, ask))
        if request.method == hdrs.METH_HEAD:
            return Answer(headers=HEADERS)
        voice: Voice = Socket(request) if socket else EventStream(request)
        async with AsyncExitStack() as stack:
            opening = stack.enter_async_context(self._live.open(topic, ask, start))
            tail = await request.call.deadline.run(opening)
            request.call.effective_timeout = None  # that was for getting here: a tail has none
            response = await voice.begin(tail)
            try:
                with self._metrics.listening(voice.transport), self._watched(request, tail):
                    await self._tell_all(request, voice, topic, ask, tail)
            finally:
                await voice.close()
        return response

    async def _tell_all(self, request: Request, voice: Voice, topic: TopicName, ask: Ask, tail: Tail) -> None:
        voice.line.when_lost(tail.leave)
        try:
            try:
                while True:
                    await self._tell(request, voice, topic, ask, tail)
            except SluiceError as error:
                if isinstance(error, Overloaded):
                    self._metrics.cut()
                await voice.end(error, tail)
            except ConnectionError:
                raise
            except Exception:  # the head is out: the middleware for errors can not answer any more
                _log.exception("a tail failed")
                await voice.end(SluiceError("an internal error; its request id is in the log"), tail)
        except ConnectionError:
            return

    async def _tell(self, request: Request, voice: Voice, topic: TopicName, ask: Ask, tail: Tail) -> None:
        page = await tail.next()
        if page is None:
            self._check_key(request, topic)
            await voice.beat()
            return
        for items in _pieces(page, ask.event_type):
            await voice.tell(page.partition, items)
            self._metrics.told(topic.stream, topic.topic, len(items))
            await voice.line.clear(tail.over, lambda: tail.overflowed)
        voice.passed(tail.positions)
        if not voice.acknowledged:
            tail.told(page)

    @contextmanager
    def _watched(self, request: Request, tail: Tail) -> Iterator[None]:
        """The tail is roused when its key expires."""
        key = request.call.identity.key
        if key is None or key.expires_at is None:
            yield
            return
        left = key.expires_at.timestamp() - self._clock()
        timer = asyncio.get_running_loop().call_later(min(max(0, left), _LONGEST_TIMER), tail.rouse)
        try:
            yield
        finally:
            timer.cancel()

    def _check_key(self, request: Request, topic: TopicName) -> None:
        """A key may end while a tail goes on. Raises Unauthorized, Forbidden."""
        if request.call.identity.name is None:
            return
        now = self._whose(request)
        if now.refused:
            raise Unauthorized("this API key is not valid any more")
        if not now.scopes.permit(Right.CONSUME, topic.stream, topic.topic) or (topic == AUDIT and not now.scopes.admin):
            raise Forbidden("this API key does not have the right to do this any more")


def _pieces(page: Page, event_type: str | None) -> Iterator[list[Item]]:
    """The page's items of this type, in pieces that may be written at once."""
    piece: list[Item] = []
    size = 0
    for item in page.items:
        if event_type is not None and item.event_type != event_type:
            continue
        piece.append(item)
        size += len(item.data)
        if size >= PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _check_accepted(accept: Sequence[str]) -> None:
    """Raises NotAcceptable where the client names what it takes, and not this."""
    kinds = [part.partition(";")[0].strip().lower() for header in accept for part in header.split(",")]
    if kinds and not {EVENT_STREAM, "text/*", "*/*"}.intersection(kinds):
        raise NotAcceptable(f"a tail is {EVENT_STREAM}, or a WebSocket")
