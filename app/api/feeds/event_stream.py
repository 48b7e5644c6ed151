"""A tail as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import Mapping, Sequence

from aiohttp import hdrs, web

from app.api.feeds.line import Line
from app.api.feeds.tailed import comment, event_of, failure
from app.api.parsing.tails import places
from app.api.request import Request
from app.api.responses import error_body
from app.errors import ShuttingDown, SluiceError
from app.gateway.live.page import Item
from app.gateway.live.tail import Tail
from app.telemetry.metrics.tails import Transport

EVENT_STREAM = "text/event-stream"

HEADERS = {hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"}
"""nginx, for one, would keep events back until it has many."""


class EventStream:
    """A `Voice` that tells each message with an id by which the client goes on elsewhere."""

    transport: Transport = "sse"
    acknowledged = False

    def __init__(self, request: Request) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=HEADERS)
        self._positions: dict[int, int] = {}
        self._places = ""
        self.line: Line

    async def begin(self, tail: Tail) -> web.StreamResponse:
        await self._response.prepare(self._request.whole)
        self._response.force_close()
        self.line = Line(self._request.whole)
        if tail.commits:
            self.line.hold_little()
        self._positions = dict(tail.positions)
        self._places = places(self._positions)
        await self.line.write(comment("hello", self._places))
        return self._response

    async def tell(self, partition: int, items: Sequence[Item]) -> None:
        piece = bytearray()
        for item in items:
            self._positions[partition] = item.offset + 1
            self._places = places(self._positions)
            piece += event_of(item, self._places)
        await self.line.write(bytes(piece))

    def passed(self, positions: Mapping[int, int]) -> None:
        self._positions = dict(positions)

    async def beat(self) -> None:
        """With the places, where they have changed since the last event."""
        now = places(self._positions)
        await self.line.write(comment("", now if now != self._places else None))
        self._places = now

    async def end(self, error: SluiceError, tail: Tail) -> None:
        if not isinstance(error, ShuttingDown):
            await self.line.write(failure(error_body(error, self._request.call.request_id, outcome=None)))
        await self.line.finish(tail.over)

    async def close(self) -> None:
        """Nothing of it runs on."""
