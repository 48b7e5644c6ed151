"""A tail as a WebSocket (RFC 6455): a message a text frame."""

import asyncio
from collections.abc import Mapping, Sequence
from enum import IntEnum

from aiohttp import HttpVersion11, WSMsgType, hdrs, web

from app.api.feeds.line import Line
from app.api.parsing.tails import ack_of
from app.api.request import Request, asks_for_websocket
from app.api.responses import error_body, json_bytes
from app.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    Overloaded,
    ShuttingDown,
    SluiceError,
    Unauthorized,
    ValidationFailed,
)
from app.gateway.live.page import Item
from app.gateway.live.tail import Tail
from app.telemetry.metrics.tails import Transport

MOST_FRAME_BYTES = 4096
"""Of what a client sends, which is acknowledgements."""

_CLOSE_SECONDS = 5.0
_NEVER = 1 << 62
_LONGEST_REASON = 123
"""Bytes, by RFC 6455, 5.5."""


class Close(IntEnum):
    """Why we close (RFC 6455, 7.4.1, and the registry that it began)."""

    GOING_AWAY = 1001
    UNSUPPORTED = 1003
    INVALID = 1007
    POLICY = 1008
    INTERNAL = 1011
    TRY_AGAIN = 1013


class BadFrame(BadRequest):
    """What the client sent can't be meant."""

    def __init__(self, message: str, close: Close = Close.POLICY) -> None:
        super().__init__(message)
        self.close = close


def asks_for_socket(request: Request) -> bool:
    """HTTP/1.0 knows no upgrade (RFC 9110, 7.8), and HEAD wants none."""
    if request.method != hdrs.METH_GET or request.version < HttpVersion11:
        return False
    return asks_for_websocket(request.headers)


class Socket:
    """A `Voice` that also listens, to acknowledgements."""

    transport: Transport = "websocket"
    acknowledged = True

    def __init__(self, request: Request) -> None:
        self._request = request
        # Not compressed: each would hold a compressor. Never waits by itself: that is for `Line`.
        self._socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=MOST_FRAME_BYTES, timeout=_CLOSE_SECONDS, writer_limit=_NEVER
        )
        self._listening: asyncio.Task[None] | None = None
        self.line: Line

    async def begin(self, tail: Tail) -> web.StreamResponse:
        """Raises BadRequest where the handshake is none."""
        try:
            await self._socket.prepare(self._request.whole)
        except web.HTTPBadRequest:
            raise BadRequest("this is no WebSocket handshake, version 13 (RFC 6455, 4.2.1)") from None
        self.line = Line(self._request.whole)
        self._listening = asyncio.create_task(self._listen(tail), name="socket")
        return self._socket

    async def tell(self, partition: int, items: Sequence[Item]) -> None:
        for item in items:
            await self._socket.send_frame(item.data, WSMsgType.TEXT)

    def passed(self, positions: Mapping[int, int]) -> None:
        """Each message says where it is."""

    async def beat(self) -> None:
        await self._socket.ping()

    async def end(self, error: SluiceError, tail: Tail) -> None:
        if not isinstance(error, ShuttingDown):
            body = error_body(error, self._request.call.request_id, outcome=None)
            await self._socket.send_frame(json_bytes(body), WSMsgType.TEXT)
        reason = error.message.encode()[:_LONGEST_REASON].decode(errors="ignore").encode()
        await self._socket.close(code=_code(error), message=reason, drain=False)
        await self.line.finish(tail.over)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    async def _listen(self, tail: Tail) -> None:
        """Until the client is gone, or sends what can't be meant."""
        try:
            async for frame in self._socket:
                if frame.type is WSMsgType.PING:
                    await self._answer(frame.data)
                elif frame.type is not WSMsgType.PONG:
                    _read(frame.type, frame.data, tail)
        except Exception as error:  # noqa: BLE001 - who tells shall hear it
            tail.end(error)
        else:
            tail.leave()

    async def _answer(self, ping: bytes) -> None:
        """Unless the client takes nothing: what it sends must not pile up here as answers. Later pings will do."""
        if not self._request.protocol.writing_paused:
            await self._socket.pong(ping)


def _read(kind: WSMsgType, data: str, tail: Tail) -> None:
    if kind is WSMsgType.ERROR:  # aiohttp has closed it, with a code
        return
    if kind is not WSMsgType.TEXT:
        raise BadFrame("a frame must be a text", Close.UNSUPPORTED)
    try:
        tail.acknowledge(*ack_of(data))
    except ValidationFailed as error:
        raise BadFrame(error.message, Close.POLICY) from None
    except BadRequest as error:
        raise BadFrame(error.message, Close.INVALID) from None


def _code(error: SluiceError) -> Close:
    match error:
        case BadFrame():
            return error.close
        case ShuttingDown():
            return Close.GOING_AWAY
        case Overloaded():
            return Close.TRY_AGAIN
        case Unauthorized() | Forbidden() | NotFound():
            return Close.POLICY
        case _:
            return Close.INTERNAL
