"""What a send costs from its handler inwards, on a log in memory: the body read and checked, records, answer."""

import asyncio
import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from app.api.answer import Answer
from app.api.call import Call
from app.api.request import Handler, Request
from app.assembly.gateway import open_gateway
from app.deadline import Deadlines
from app.ids import UuidSource
from app.resilience.budget import ByteBudget, Lease
from app.settings import load_settings
from app.telemetry.logs import configure_logs
from benchmarks.cpu import least
from benchmarks.requests import BATCH, BATCHES, SINGLES

_SECONDS = 30.0
_TIMES = 50
_ADDRESS = ("127.0.0.1", 1)
_CONNECTION: Any = SimpleNamespace(
    peername=_ADDRESS,
    sockname=_ADDRESS,
    ssl_context=None,
    transport=None,
    _reading_paused=False,
    resume_reading=lambda **_: None,
)


class Sends:
    """CPU, since nothing here waits: microseconds a request, without the request itself."""

    title = "from the handler inwards, on memory"

    def __init__(self, runner: asyncio.Runner, calls: dict[str, Callable[[], Awaitable[None]]]) -> None:
        self._runner = runner
        self._calls = calls

    def one_round(self, seconds: float) -> dict[str, float]:
        single, batch, bare_single, bare_batch = self._runner.run(_measured(self._calls, seconds)).values()
        one, many = single - bare_single, batch - bare_batch
        return {"a POST, us": one, f"a batch of {BATCH}, us": many, "a record of it, us": many / BATCH}


@contextmanager
def sends() -> Iterator[Sends]:
    with Path(os.devnull).open("w") as silence, tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            with contextlib.redirect_stdout(silence), contextlib.chdir(folder):
                handlers = runner.run(_handlers(stack))
            single, batch = (_Sent(request) for request in (*SINGLES, *BATCHES))
            calls = {
                "single": partial(single.to, handlers["/messages"]),
                "batch": partial(batch.to, handlers["/messages/batch"]),
                "bare single": partial(single.to, _created),
                "bare batch": partial(batch.to, _created),
            }
            yield Sends(runner, calls)
        finally:
            runner.run(stack.aclose())


async def _handlers(stack: AsyncExitStack) -> dict[str, Handler]:
    gc.set_threshold(50_000, 20, 50)  # as the gateway does when it serves
    configure_logs("error", "json")
    settings = {"BROKER_URL": "memory://", "DATABASE_URL": "off", "TOPIC_RETENTION_MS": "1000"}
    gateway = await stack.enter_async_context(
        open_gateway(load_settings(settings | {"RETENTION_CHECK_INTERVAL_SECS": "1"}))
    )
    posts = [route for route in gateway.app.router.routes() if route.method == "POST"]
    return {route.resource.canonical: route.handler for route in posts if route.resource}


async def _created(_request: Request) -> Answer:
    return Answer(status=201)


async def _measured(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The log's retention has its turn in between."""
    found: list[dict[str, float]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found.append(least(calls, 0.3, times=_TIMES))
        await asyncio.sleep(0.01)
    return {name: min(turn[name] for turn in found) for name in calls}


class _Sent:
    """A request as the middlewares hand it on, made anew each time."""

    def __init__(self, request: bytes) -> None:
        head, _, self._body = request.partition(b"\r\n\r\n")
        path = head.split()[1].decode()
        headers = CIMultiDict({"Content-Type": "application/json", "Content-Length": str(len(self._body))})
        self._message = RawRequestMessage(
            "POST",
            path,
            HttpVersion11,
            CIMultiDictProxy(headers),
            (),
            False,  # noqa: FBT003  # aiohttp's order
            None,
            False,  # noqa: FBT003
            False,  # noqa: FBT003
            URL(path),
        )
        self._deadlines, self._budget, self._new_id = Deadlines(), ByteBudget(1 << 30), UuidSource()

    async def to(self, handler: Handler) -> None:
        loop = asyncio.get_running_loop()
        body = StreamReader(_CONNECTION, 1 << 16, loop=loop)
        body.feed_data(self._body)
        body.feed_eof()
        request = Request(self._message, body, _CONNECTION, "")
        request.match_info = {}
        call = request.call = Call(self._new_id())
        call.deadline, call.lease = self._deadlines.start(_SECONDS), Lease(self._budget)
        try:
            response = await handler(request)
            assert response.status == 201
        finally:
            call.lease.release()
            self._deadlines.end(call.deadline)
