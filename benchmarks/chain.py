"""What all middlewares together cost a request, over an application without any; the log line counted apart."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from app.api.answer import Answer, Response
from app.api.app import Application
from app.api.call import Call
from app.api.request import Handler, Request
from app.api.route import Route
from app.assembly.gateway import open_gateway
from app.door.key_file import edit_keys
from app.door.keys import Key, digest, key_text, new_secret
from app.door.scopes import Right
from app.settings import load_settings
from app.telemetry.logs import configure_logs, get_logger
from benchmarks.cpu import least

_PATH = "/streams/{stream}/topics/{topic}/messages"
_URL = URL(_PATH.format(stream="orders", topic="paid"))
_ANSWER = b'{"success":true}'
_KEYS = 1000
_SECONDS = 0.0012345

_log = get_logger(__name__)


class Chain:
    """CPU, since nothing here waits: microseconds a request."""

    title = f"all middlewares, {_KEYS} keys with two scopes each, the limit on (wanted: 15 us without the log line)"

    def __init__(self, runner: asyncio.Runner, apps: dict[str, Application], key: str) -> None:
        self._runner = runner
        self._apps = apps
        self._headers = CIMultiDictProxy(CIMultiDict({"Host": "x", "Accept": "*/*", "X-API-Key": key}))

    def one_round(self, seconds: float) -> dict[str, float]:
        calls = {name: partial(_serve, app, self._headers) for name, app in self._apps.items()}
        found = self._runner.run(_measured({**calls, "line": _log_line}, seconds))
        bare, ours, line = found.values()
        return {"bare, us": bare, "middlewares, us": ours - bare, "a log line, its write apart, us": line}


@contextmanager
def chain() -> Iterator[Chain]:
    secret = new_secret()
    with Path(os.devnull).open("w") as silence, tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        path = Path(folder) / "keys.json"
        hashes, scopes = (digest(secret).hex(),), ("produce:orders.*", "consume:*.audit")
        edit_keys(path, lambda _: [Key(f"k{number}", hashes, scopes) for number in range(_KEYS)])
        stack = AsyncExitStack()
        try:
            with contextlib.redirect_stdout(silence):
                apps = runner.run(_apps(stack, path))
            yield Chain(runner, apps, key_text(f"k{_KEYS // 2}", secret))
        finally:
            runner.run(stack.aclose())


async def _apps(stack: AsyncExitStack, keys: Path) -> dict[str, Application]:
    """The same handler with nothing around it, and with all that there is; log lines go nowhere."""
    configure_logs("warning", "json")
    settings = {
        "BROKER_URL": "memory://",
        "DATABASE_URL": "off",
        "API_KEYS_FILE": str(keys),
        "RATE_LIMIT_RPS": "1000000",
    }
    gateway = await stack.enter_async_context(open_gateway(load_settings(settings)))
    configure_logs("info", "json")
    route = Route("POST", _PATH, Right.PRODUCE, _handler)
    chains = {"bare": (_written,), "ours": gateway.app.middlewares}
    return {name: Application([route], chain, stopping=lambda: False) for name, chain in chains.items()}


async def _log_line() -> None:
    """As `observe` makes it."""
    key, ms = {"key": "k500"}, round(_SECONDS * 1000, 3)
    _log.info("request", method="POST", route=_PATH, path=_URL.path, status=201, ms=ms, **key)


async def _handler(_request: Request) -> Answer:
    return Answer(_ANSWER, status=201)


def _written(handler: Handler, _route: Route) -> Handler:
    """Answers, which without middlewares nobody does."""

    async def handle(request: Request) -> Response:
        request.call = Call("id")
        answer = await handler(request)
        assert isinstance(answer, Answer)
        request.answer(answer)
        return answer

    return handle


async def _measured(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    return least(calls, seconds)


class _Connection:
    """A client that takes everything: transport and protocol in one."""

    peername = sockname = ("127.0.0.1", 1)
    ssl_context = None
    max_field_size = max_line_length = 8190
    max_headers = 128
    writing_paused = False

    @property
    def transport(self) -> "_Connection":
        return self

    def is_closing(self) -> bool:
        return False

    def write(self, _data: bytes) -> None: ...


_CONNECTION: Any = _Connection()


async def _serve(app: Application, headers: CIMultiDictProxy[str]) -> None:
    """One request as aiohttp's server takes it from its parser, answered as it does."""
    message = RawRequestMessage("POST", _URL.raw_path, HttpVersion11, headers, (), False, None, False, False, _URL)  # noqa: FBT003
    request = Request(message, EMPTY_PAYLOAD, _CONNECTION, "127.0.0.1")
    response = await app(request)
    assert response.status == 201
