"""The real server in this process, on a connection that is no socket: bytes in, answers out."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple

from app.api.wire.server import GatewayRunner
from app.assembly.gateway import open_gateway
from app.ids import UuidSource
from app.settings import load_settings

_ROUNDS = 30  # of the event loop: more than any request that waits for nothing takes
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


_HANDSHAKE = (
    b"GET /streams/sample-stream/topics/events/tail?consumer_id=f HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Answer(NamedTuple):
    """`request_id` is empty for one that is missing or insane."""

    status: int
    request_id: str
    timeout: str | None


class _Wire(asyncio.Transport):
    """Keeps what is written; `close` is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data) -> None:
        self.written += data

    def writelines(self, parts) -> None:
        for part in parts:
            self.written += part

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Server:
    """A gateway on memory, for the life of the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._open = AsyncExitStack()
        self._runner = self.loop.run_until_complete(self._start())

    async def _start(self) -> GatewayRunner:
        settings = load_settings({"BROKER_URL": "memory://", "DATABASE_URL": "off", "RATE_LIMIT_RPS": "0"})
        gateway = await self._open.enter_async_context(open_gateway(settings))
        runner = GatewayRunner(gateway.app, new_id=UuidSource(), shutdown_timeout=1)
        await runner.setup()
        return runner

    async def exchange(self, data: bytes) -> bytes:
        wire = _Wire()
        connection = self._runner.server()
        connection.connection_made(wire)
        connection.data_received(data)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
            if wire.closed:
                break
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return bytes(wire.written)


_running: list[_Server] = []


def frames_after(data: bytes) -> list[tuple[int, bytes]]:
    """What a WebSocket is sent, as (opcode, data), for these bytes of its client. Raises for a frame that is none."""
    written = _server().loop.run_until_complete(_server().exchange(_HANDSHAKE + data))
    head, _, frames = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    return list(_frames(frames))


def _frames(written: bytes) -> Iterator[tuple[int, bytes]]:
    while written:
        assert written[0] & 0xF0 == 0x80, "a frame that is not whole, or has an extension's bits"
        assert written[1] < 128, "a frame of a server is not masked"
        more = {126: 2, 127: 8}.get(written[1], 0)
        begin = 2 + more
        end = begin + (int.from_bytes(written[2:begin]) if more else written[1])
        assert end <= len(written), "a frame without end"
        yield written[0] & 15, written[begin:end]
        written = written[end:]


def answers_to(data: bytes) -> list[Answer]:
    """What the server answers to these bytes before it waits for more. Raises for an answer that is none."""
    server = _server()
    return list(_answers(server.loop.run_until_complete(server.exchange(data))))


def _server() -> _Server:
    if not _running:
        _running.append(_Server())
    return _running[0]


def _answers(written: bytes) -> Iterator[Answer]:
    while written:
        head, end, written = written.partition(b"\r\n\r\n")
        assert end, "an answer without end"
        first, *lines = head.decode("ascii").split("\r\n")
        status = int(re.fullmatch(r"HTTP/1\.[01] ([1-5][0-9]{2}) [A-Za-z ]+", first)[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if status == 100:
            continue
        given = headers.get("x-request-id", "")
        yield Answer(status, given if _SANE.fullmatch(given) else "", headers.get("x-effective-timeout"))
        if status == 101 or "transfer-encoding" in headers:  # a live feed, which ends with its client
            return
        written = written[0 if "head" in headers else int(headers.get("content-length", 0)) :]
