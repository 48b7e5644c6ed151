"""An answer that goes on and on: how much the client takes of it, and what if it takes none."""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.http import StreamWriter

from app.api.wire.connection import Connection
from app.errors import Overloaded

SLOW_SECONDS = 3.0
"""How long a client may take nothing while more waits for it than may be held."""

DEAF_SECONDS = 60.0
"""How long, while what waits for it is in the log: its connection costs memory all the same."""

SMALL_BUFFER = 32_768
"""Bytes; Linux doubles it."""

LAST_SECONDS = 30.0
STOP_SECONDS = 5.0
"""How long a client may take over what it is sent last: while the gateway runs, and when nothing more can come."""


class Line:
    """The way to one client, once the head of its answer is written.

    Nothing here waits but `clear` and `finish`, so that nothing is cut in the middle.
    """

    def __init__(self, request: web.BaseRequest) -> None:
        self._protocol = request.protocol
        self._transport = request.transport
        self._writer = cast(StreamWriter, request.writer)

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Tell when the client is gone, be it already."""
        if isinstance(self._protocol, Connection):
            self._protocol.when_lost(tell)

    def hold_little(self) -> None:
        """Let the system keep little that the client has not taken: the rest of it is lost when it is cut."""
        sock: Any = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)

    async def write(self, data: bytes) -> None:
        """Raises ConnectionError when the client is gone."""
        await self._writer.write(data, drain=False)

    async def clear(self, over: "asyncio.Future[Exception]", overflowed: Callable[[], bool]) -> None:
        """Return once the client takes more, or it is over. Raises ConnectionError, Overloaded when it is too slow."""
        if not self._protocol.writing_paused:
            return
        draining = asyncio.ensure_future(self._writer.drain())  # never cancelled: aiohttp shares what it waits for
        either: set[asyncio.Future[Any]] = {draining, over}
        stalled = 0.0
        try:
            while not draining.done() and not over.done():
                before = self._unsent()
                await asyncio.wait(either, timeout=SLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                stalled = stalled + SLOW_SECONDS if self._unsent() >= before else 0.0
                if stalled >= (SLOW_SECONDS if overflowed() else DEAF_SECONDS) and not draining.done():
                    raise Overloaded("more messages wait than may be held for this client; go on after the last one")
        finally:
            draining.add_done_callback(_heard)

    def _unsent(self) -> int:
        """Bytes that the client has not taken: here, and in the system, which tells of room only when it has much."""
        if self._transport is None or self._transport.is_closing():
            return 0
        sock: Any = self._transport.get_extra_info("socket")
        waiting = bytearray(4)
        with suppress(OSError, ValueError):
            fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, waiting)
        return self._transport.get_write_buffer_size() + int.from_bytes(waiting, sys.byteorder)

    async def finish(self, over: "asyncio.Future[Exception]") -> None:
        """Leave the client a while for what it was sent last, and hang up."""
        if self._protocol.writing_paused and self._transport is not None:
            draining = asyncio.ensure_future(self._writer.drain())
            draining.add_done_callback(_heard)
            either: set[asyncio.Future[Any]] = {draining, over}
            if not over.done():
                await asyncio.wait(either, timeout=LAST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                await asyncio.wait({draining}, timeout=STOP_SECONDS)
            if not draining.done():
                self._transport.abort()


def _heard(done: "asyncio.Future[None]") -> None:
    if not done.cancelled():
        done.exception()
