"""A topic as it grows: `…/topics/{topic}/tail`, as server-sent events."""

import asyncio
from collections.abc import Sequence

from aiohttp import hdrs, web

from app.api.audit_topic import asks_for_audit
from app.api.line import Line
from app.api.parsing_tails import LAST_EVENT_ID, places, tail_query
from app.api.responses import error_body
from app.api.state import CALL, topic_of
from app.api.tailed import comment, event_of, failure
from app.errors import NotAcceptable, Overloaded, ShuttingDown, SluiceError
from app.gateway.audit import AUDIT
from app.gateway.live.live import Live
from app.gateway.live.page import Item, Page
from app.gateway.live.start import Ask
from app.gateway.live.tail import Tail
from app.names import TopicName
from app.telemetry.logs import get_logger
from app.telemetry.metrics.tails import TailMetrics

EVENT_STREAM = "text/event-stream"
_PIECE = 65_536
"""Bytes after which to look whether the client takes more."""

_HEADERS = {hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"}
"""nginx, for one, would keep events back until it has many."""

_log = get_logger(__name__)


class Tails:
    """Handlers for live feeds."""

    def __init__(self, live: Live, metrics: TailMetrics) -> None:
        self._live = live
        self._metrics = metrics

    async def tail(self, request: web.Request) -> web.StreamResponse:
        topic = AUDIT if asks_for_audit(request) else topic_of(request)
        ask = tail_query(request.query, request.headers.get(LAST_EVENT_ID))
        _check_accepted(request.headers.getall(hdrs.ACCEPT, ()))
        start = await request[CALL].deadline.run(self._live.start(topic, ask))
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        with self._live.open(topic, ask, start) as tail, self._metrics.listening("sse"):
            await self._tell(request, topic, ask, tail)
        response.force_close()
        return response

    async def _tell(self, request: web.Request, topic: TopicName, ask: Ask, tail: Tail) -> None:
        line = Line(request)
        line.when_lost(tail.leave)
        events = _Events(line, tail, ask.event_type)
        try:
            await line.write(comment("hello", events.places))
            while True:
                page = await tail.next()
                told = await events.tell(page) if page else await events.beat()
                self._metrics.told(topic.stream, topic.topic, told)
        except ConnectionError:
            return
        except ShuttingDown:
            await line.finish(tail.over)
        except SluiceError as error:
            if isinstance(error, Overloaded):
                self._metrics.cut()
            await _last_word(line, tail.over, error, request)
        except Exception:  # the head is out: the middleware for errors can not answer any more
            _log.exception("a tail failed")
            await _last_word(line, tail.over, SluiceError("an internal error; its request id is in the log"), request)


class _Events:
    """What one client is told, by way of `line`."""

    def __init__(self, line: Line, tail: Tail, event_type: str | None) -> None:
        self._line = line
        self._tail = tail
        self._event_type = event_type
        self._positions = dict(tail.positions)
        self.places = places(self._positions)

    async def tell(self, page: Page) -> int:
        """Those of the page that the client asked for; how many they are."""
        told = 0
        piece = bytearray()
        for item in self._wanted(page.items):
            self._positions[page.partition] = item.offset + 1
            self.places = places(self._positions)
            piece += event_of(item, self.places)
            told += 1
            if len(piece) >= _PIECE:
                await self._write(bytes(piece))
                piece.clear()
        self._positions[page.partition] = page.next_offset
        if piece:
            await self._write(bytes(piece))
        return told

    async def beat(self) -> int:
        """A sign of life, with the places that have changed since the last event."""
        now = places(self._positions)
        await self._write(comment("", now if now != self.places else None))
        self.places = now
        return 0

    def _wanted(self, items: Sequence[Item]) -> Sequence[Item]:
        kind = self._event_type
        return items if kind is None else [item for item in items if item.event_type == kind]

    async def _write(self, data: bytes) -> None:
        await self._line.write(data)
        await self._line.clear(self._tail.over, self._overflowed)

    def _overflowed(self) -> bool:
        return self._tail.overflowed


async def _last_word(line: Line, over: "asyncio.Future[Exception]", error: SluiceError, request: web.Request) -> None:
    try:
        await line.write(failure(error_body(error, request[CALL].request_id, outcome=None)))
        await line.finish(over)
    except ConnectionError:
        return


def _check_accepted(accept: Sequence[str]) -> None:
    """Raises NotAcceptable where the client names what it takes, and not this."""
    kinds = [part.partition(";")[0].strip().lower() for header in accept for part in header.split(",")]
    if kinds and not {EVENT_STREAM, "text/*", "*/*"}.intersection(kinds):
        raise NotAcceptable(f"a tail is {EVENT_STREAM}, or a WebSocket")
