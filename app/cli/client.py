"""Requests to a gateway that runs, for commands: answers, or an exit code and one line on stderr."""

import asyncio
import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import click
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSServerHandshakeError,
    hdrs,
)

from app.exits import EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_SOFTWARE, EX_TEMPFAIL, EX_UNAVAILABLE

_SECONDS = 60.0
_BEAT = 30.0
_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
_EXITS = {401: EX_NOPERM, 403: EX_NOPERM, 404: EX_NOINPUT, 429: EX_TEMPFAIL, 503: EX_UNAVAILABLE, 504: EX_UNAVAILABLE}
_PASSING = {429, 503, 504}


class Trouble(Exception):
    """A request that failed: what to say, and the exit code. `passing`: the same may succeed in `wait` seconds."""

    def __init__(self, message: str, exit_code: int, *, passing: bool = False, wait: float = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.passing = passing
        self.wait = wait


class Refused(Trouble):
    """The gateway answered with an error; `details` are the answer's."""

    def __init__(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        message = answer.get("message") if isinstance(answer, dict) else f"status {status}"
        retry = headers.get(hdrs.RETRY_AFTER)
        told = f"{message} (request {headers.get('X-Request-Id')}{f', try again in {retry} s' if retry else ''})"
        code = _EXITS.get(status, EX_DATAERR if status < 500 else EX_SOFTWARE)
        wait = float(retry) if retry and retry.isdigit() else 0
        super().__init__(told, code, passing=status in _PASSING, wait=wait)
        self.details = answer.get("details") if isinstance(answer, dict) else None


def fail(code: int, message: str) -> NoReturn:
    """End the command with this exit code, having said why."""
    click.echo(f"sluice: {message}", err=True)
    raise SystemExit(code)


@dataclass(frozen=True)
class Conversation:
    """Requests over connections that are kept."""

    url: str
    session: ClientSession

    async def ask(
        self, method: str, *path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        """The answer's bytes. `path` is in parts, of which any may hold anything; `body` is JSON. Raises Trouble."""
        headers = {hdrs.CONTENT_TYPE: _JSON} if body is not None else {}
        async with self._asked(method, path, params=query, data=body, headers=headers) as response:
            answer = await response.read()
            if answer and response.content_type != _JSON:
                raise self._stranger()
            return answer

    async def listen(self, *path: str, query: Mapping[str, str], last_id: str | None) -> AsyncGenerator[bytes, None]:
        """The bytes of a live feed as they come, from behind `last_id` on, until it ends. Raises Trouble."""
        headers = {hdrs.ACCEPT: EVENT_STREAM} | ({"Last-Event-ID": last_id} if last_id is not None else {})
        timeout = ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)  # there is a beat every 15 s
        async with self._asked("GET", path, params=query, headers=headers, timeout=timeout) as response:
            if response.content_type != EVENT_STREAM:
                raise self._stranger()
            async for data in response.content.iter_any():
                yield data

    @asynccontextmanager
    async def socket(self, *path: str, query: Mapping[str, str]) -> AsyncIterator[ClientWebSocketResponse]:
        """A WebSocket. Raises Trouble, also for what happens within."""
        with self._reaching():
            try:
                opened = await self.session.ws_connect(self._at(path), params=query, heartbeat=_BEAT, max_msg_size=0)
            except WSServerHandshakeError as error:
                raise Refused(error.status, None, error.headers or {}) from None
            async with opened as socket:
                yield socket

    @asynccontextmanager
    async def _asked(self, method: str, path: Sequence[str], **options: Any) -> AsyncIterator[ClientResponse]:
        """The answer, of which the head is there, and good. Raises Trouble, also for what happens within."""
        with self._reaching():
            async with self.session.request(method, self._at(path), **options) as response:
                if response.status >= 400:
                    raise await self._refused(response)
                yield response

    def _at(self, path: Sequence[str]) -> str:
        return f"{self.url}/{'/'.join(quote(part, safe='') for part in path)}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Trouble(f"no gateway can be reached at {self.url}: {reason}", EX_UNAVAILABLE, passing=True) from None

    async def _refused(self, response: ClientResponse) -> Trouble:
        answer = await response.read()
        if answer and response.content_type != _JSON:
            return self._stranger()
        return Refused(response.status, json.loads(answer) if answer else None, response.headers)

    def _stranger(self) -> Trouble:
        return Trouble(f"what answers at {self.url} is not a gateway", EX_SOFTWARE)


@dataclass(frozen=True)
class Client:
    """Speaks to the gateway at `url`. The key is sent, and never shown."""

    url: str
    api_key: str | None

    def call(self, method: str, *path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """The answer's JSON, None where there is none. Ends the command when the gateway refuses, or is not there."""
        try:
            return asyncio.run(self._call(method, path, query, body))
        except Trouble as trouble:
            fail(trouble.exit_code, str(trouble))

    async def _call(self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None, body: Any) -> Any:
        async with self.open() as conversation:
            data = None if body is None else json.dumps(body).encode()
            answer = await conversation.ask(method, *path, query=query, body=data)
        return json.loads(answer) if answer else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Conversation]:
        headers = {"X-API-Key": self.api_key} if self.api_key else {}
        async with ClientSession(timeout=ClientTimeout(_SECONDS), headers=headers) as session:
            yield Conversation(self.url, session)


def _http_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{value!r} must be such as http://localhost:8000")
    return value.rstrip("/")


def speaks_to_gateway(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options `--url`, `--api-key`, and as its first argument the client made of them."""

    @click.option(
        "--url",
        envvar="SLUICE_URL",
        default="http://localhost:8000",
        callback=_http_url,
        show_default=True,
        help="The gateway; also SLUICE_URL.",
    )
    @click.option("--api-key", envvar="SLUICE_API_KEY", metavar="KEY", help="Also SLUICE_API_KEY, which nobody sees.")
    @functools.wraps(command)
    def with_client(*, url: str, api_key: str | None, **options: Any) -> None:
        command(Client(url, api_key), **options)

    return with_client
