"""One request to a gateway that runs, for commands: its answer, or an exit code and one line on stderr."""

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import click
from aiohttp import ClientError, ClientSession, ClientTimeout, ContentTypeError, hdrs

from app.exits import EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_SOFTWARE, EX_TEMPFAIL, EX_UNAVAILABLE

_SECONDS = 60.0
_EXITS = {401: EX_NOPERM, 403: EX_NOPERM, 404: EX_NOINPUT, 429: EX_TEMPFAIL, 503: EX_UNAVAILABLE, 504: EX_UNAVAILABLE}


def fail(code: int, message: str) -> NoReturn:
    """End the command with this exit code, having said why."""
    click.echo(f"sluice: {message}", err=True)
    raise SystemExit(code)


@dataclass(frozen=True)
class Client:
    """Speaks to the gateway at `url`. The key is sent, and never shown."""

    url: str
    api_key: str | None

    def call(self, method: str, *path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """The answer's JSON, None where there is none. `path` is in parts, of which any may hold anything.

        Ends the command when the gateway refuses, fails, or is not there.
        """
        return asyncio.run(self._call(method, "/".join(quote(part, safe="") for part in path), query, body))

    async def _call(self, method: str, path: str, query: Mapping[str, str] | None, body: Any) -> Any:
        headers = {"X-API-Key": self.api_key} if self.api_key else {}
        try:
            async with (
                ClientSession(timeout=ClientTimeout(_SECONDS), headers=headers) as session,
                session.request(method, f"{self.url}/{path}", params=query, json=body) as response,
            ):
                answer = await response.json() if await response.read() else None
        except ContentTypeError:
            fail(EX_SOFTWARE, f"what answers at {self.url} is not a gateway")
        except (ClientError, OSError, TimeoutError) as error:
            fail(EX_UNAVAILABLE, f"no gateway can be reached at {self.url}: {str(error) or type(error).__name__}")
        if response.status >= 400:
            request_id = response.headers.get("X-Request-Id")
            message = answer.get("message") if isinstance(answer, dict) else f"status {response.status}"
            exit_code = _EXITS.get(response.status, EX_DATAERR if response.status < 500 else EX_SOFTWARE)
            retry = response.headers.get(hdrs.RETRY_AFTER)
            fail(exit_code, f"{message} (request {request_id}{f', try again in {retry} s' if retry else ''})")
        return answer


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
