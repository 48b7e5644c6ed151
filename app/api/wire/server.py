"""aiohttp's server, with what its HTTP parser refuses in the one error shape and size limits left to `body`."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from app.api.request import Handler, Request, asks_for_websocket
from app.api.wire.connection import Bounds, Connection, too_large
from app.api.wire.crowd import Crowd
from app.api.wire.framing import fault_of, size_of
from app.errors import BadRequest

KEEP_ALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0

_FAULT = web.RequestKey("fault", str)


class GatewayRunner(web.ServerRunner):
    """Runs the application; make it where the event loop runs."""

    def __init__(
        self,
        app: Handler,
        *,
        new_id: Callable[[], str],
        shutdown_timeout: float,
        bounds: Bounds = Bounds(),  # noqa: B008  # immutable
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(Server(app, new_id, bounds, refused), shutdown_timeout=shutdown_timeout)


class Server(web.Server):
    """aiohttp's, but for the connections and requests it makes and the heads it refuses.

    Bodies are left compressed: `body.read_body` bounds what comes out of them.
    """

    def __init__(self, app: Handler, new_id: Callable[[], str], bounds: Bounds, refused: Callable[[str], None]) -> None:
        super().__init__(
            self._handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
        )
        self._app = app
        self._new_id = new_id
        self._bounds = bounds
        self._refused = refused
        self._crowd = Crowd(self._connections)

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            self._crowd,
            loop=self._loop,
            new_id=self._new_id,
            bounds=self._bounds,
            refused=self._refused,
            **self._kwargs,
        )

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """One of ours; a bare one with its fault for a head that is to be refused."""
        if fault := self._fault_of(message, protocol):
            message = message._replace(version=HttpVersion10, should_close=True)
            request = super()._make_request(message, payload, protocol, writer, task)
            request[_FAULT] = fault
            return request
        if _ends_its_connection(message):
            message = message._replace(should_close=True)
        return Request(message, payload, protocol, writer, task, self._loop)

    def _fault_of(self, message: RawRequestMessage, connection: RequestHandler) -> str | None:
        if isinstance(connection, Connection) and connection.large and size_of(message) > self._bounds.head_bytes:
            self._refused("large_head")
            return too_large(self._bounds.head_bytes)
        return fault_of(message)

    def _handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        return self._app(request) if isinstance(request, Request) else _refuse(request)


async def _refuse(request: web.BaseRequest) -> web.StreamResponse:
    return request.protocol.handle_error(request, 400, BadRequest(request[_FAULT]))


def _ends_its_connection(message: RawRequestMessage) -> bool:
    """Whether aiohttp (3.14) would read the next request on the connection wrong.

    The last trailer behind chunks becomes a header of the next request, which may be somebody else's, where a proxy
    shares its connections. What follows a wish for a protocol that aiohttp does not know, such as h2c, is lost.
    """
    return message.chunked or (message.upgrade and not asks_for_websocket(message.headers))
