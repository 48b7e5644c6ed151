"""What each layer costs a single POST: the same request on a connection in memory, answered further and further in.

Nothing is sent over a network and nothing logged. CPU of the process, the least of many turns; what the measuring
itself takes is subtracted.
"""

import asyncio
import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from app.api.answer import Answer
from app.api.app import Application
from app.api.body import read_body
from app.api.call import Call
from app.api.parsing.messages import Parser
from app.api.request import Handler, Request
from app.api.route import Route
from app.api.wire.server import GatewayRunner
from app.assembly.gateway import open_gateway
from app.door.scopes import Right
from app.event import EventEncoder
from app.ids import UuidSource
from app.settings import load_settings
from app.telemetry.logs import configure_logs
from benchmarks.load import KEY
from benchmarks.requests import SINGLES

_ANSWER = b'{"success":true}'
_AT_ONCE = 200
_MOST_BYTES = 1 << 20
_ROUNDS_OF_LOOP = 3

Protocol = Any


class _Wire(asyncio.Transport):
    """A client that takes everything, and counts the answers."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.answers = 0

    def write(self, _data: Any) -> None:
        self.answers += 1

    def writelines(self, _data: Any) -> None:
        self.answers += 1

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None: ...


class _Nobody:
    """Answers before it has read anything."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def data_received(self, _data: bytes) -> None:
        self._wire.write(b"")


class Layers:
    """Microseconds a request, each layer's own."""

    title = "a single POST by layers, on memory"

    def __init__(self, runner: asyncio.Runner, connections: dict[str, tuple[Protocol, _Wire]]) -> None:
        self._runner = runner
        self._connections = connections

    def one_round(self, seconds: float) -> dict[str, float]:
        nothing, bare, *ours = self._runner.run(_measured(self._connections, seconds)).items()
        figures = {"bare aiohttp, us": bare[1] - nothing[1]}
        before = nothing[1]
        for name, reached in ours:
            figures[f"{name}, us"] = reached - before
            before = reached
        return figures | {"all of it, us": before - nothing[1]}


@contextmanager
def layers() -> Iterator[Layers]:
    with (
        Path(os.devnull).open("w") as silence,
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        stack = AsyncExitStack()
        try:
            with contextlib.redirect_stdout(silence), contextlib.chdir(folder):
                connections = runner.run(_connections(stack))
            yield Layers(runner, connections)
        finally:
            runner.run(stack.aclose())


async def _connections(stack: AsyncExitStack) -> dict[str, tuple[Protocol, _Wire]]:
    configure_logs("error", "json")
    settings = {"API_KEY": KEY, "RATE_LIMIT_RPS": "1000000", "BROKER_URL": "memory://", "DATABASE_URL": "off"}
    often = {"TOPIC_RETENTION_MS": "1000", "RETENTION_CHECK_INTERVAL_SECS": "1"}
    gateway = await stack.enter_async_context(open_gateway(load_settings(settings | often)))
    parser = Parser(EventEncoder(now=lambda: datetime.now(UTC), new_id=UuidSource()), most=1)

    async def read(request: Request) -> Answer:
        await read_body(request, most=_MOST_BYTES)
        return Answer(_ANSWER, status=201)

    async def checked(request: Request) -> Answer:
        parser.send((await read_body(request, most=_MOST_BYTES)).data)
        return Answer(_ANSWER, status=201)

    def behind(handler: Handler) -> Application:
        row = Route("POST", "/messages", Right.PRODUCE, handler)
        return Application([row], gateway.app.middlewares, stopping=lambda: False)

    reached = {
        "the server": _answered,
        "all middlewares": behind(_created),
        "the body read": behind(read),
        "the event checked and encoded": behind(checked),
        "producer, log in memory, answer": gateway.app,
    }
    wire = _Wire()
    found: dict[str, tuple[Protocol, _Wire]] = {"nothing": (_Nobody(wire), wire)}
    found["bare"] = await _connected(stack, _bare())
    for name, app in reached.items():
        runner = GatewayRunner(app, new_id=UuidSource(), shutdown_timeout=1)
        found[name] = await _connected(stack, runner)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the gateway does when it serves
    return found


async def _connected(stack: AsyncExitStack, runner: web.BaseRunner) -> tuple[Protocol, _Wire]:
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None
    protocol, wire = runner.server(), _Wire()
    protocol.connection_made(wire)
    await asyncio.sleep(0)
    return protocol, wire


def _bare() -> web.BaseRunner:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=_ANSWER, status=201, content_type="application/json")

    app = web.Application()
    app.router.add_post("/messages", handler)
    return web.AppRunner(app, access_log=None)


async def _created(_request: Request) -> Answer:
    return Answer(_ANSWER, status=201)


async def _answered(request: Request) -> Answer:
    """With no middleware before it."""
    request.call, request.stopping = Call("id"), lambda: False
    return await _created(request)


async def _measured(connections: dict[str, tuple[Protocol, _Wire]], seconds: float) -> dict[str, float]:
    found = dict.fromkeys(connections, float("inf"))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for name, (protocol, wire) in connections.items():
            started = time.process_time_ns()
            for _ in range(_AT_ONCE):
                await _exchange(protocol, wire)
            found[name] = min(found[name], (time.process_time_ns() - started) / _AT_ONCE / 1000)
    return found


async def _exchange(protocol: Protocol, wire: _Wire) -> None:
    answers = wire.answers
    protocol.data_received(SINGLES[0])
    while wire.answers == answers:  # noqa: ASYNC110  # an event would be measured, too
        await asyncio.sleep(0)
    for _ in range(_ROUNDS_OF_LOOP):
        await asyncio.sleep(0)
