"""aiohttp's server, with what its HTTP parser refuses in the one error shape and size limits left to `body`."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import HttpVersion10, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from app.api.framing import fault_of
from app.api.middleware.errors import framework_error
from app.api.responses import error_response
from app.api.state import REQUEST_ID_HEADER, SECURITY, SERVER_NAME
from app.errors import NOT_WRITTEN, BadRequest, SluiceError
from app.telemetry.logs import REQUEST_ID, get_logger

KEEP_ALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0

_FAULT = web.RequestKey("fault", str)

_log = get_logger(__name__)


class GatewayRunner(web.AppRunner):
    """Runs the application. Bodies are left compressed: `body.read_body` bounds what comes out of them."""

    def __init__(self, app: web.Application, *, new_id: Callable[[], str], shutdown_timeout: float) -> None:
        super().__init__(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            shutdown_timeout=shutdown_timeout,
        )
        self._new_id = new_id

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._new_id)


class _Server(web.Server):
    """The application's own server, but for the connections it makes and the heads it refuses."""

    def __init__(self, made: web.Server, new_id: Callable[[], str]) -> None:
        settings = vars(made)["_kwargs"]  # aiohttp has no public way to choose the class of its connections
        super().__init__(self._handle, **settings)
        self._made = made
        self._new_id = new_id

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, new_id=self._new_id, **self._kwargs)

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """The application's request; a bare one with its fault for a head that is to be refused."""
        if fault := fault_of(message):
            message = message._replace(version=HttpVersion10, should_close=True)
            request = super()._make_request(message, payload, protocol, writer, task)
            request[_FAULT] = fault
            return request
        if _ends_its_connection(message):
            message = message._replace(should_close=True)
        return self._made.request_factory(message, payload, protocol, writer, task)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request, web.Request):
            return await self._made.request_handler(request)
        return request.protocol.handle_error(request, 400, BadRequest(request[_FAULT]))


class _Connection(RequestHandler):
    """A connection that answers what the HTTP parser refuses as everything else is answered."""

    __slots__ = ("_new_id",)

    def __init__(self, manager: web.Server, *, new_id: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._new_id = new_id

    def data_received(self, data: bytes) -> None:
        """aiohttp does not tell a body that its chunks are broken: whoever reads it would wait until the deadline."""
        super().data_received(data)
        received = self._messages
        if received and not isinstance(received[-1][0], RawRequestMessage):  # an error stands behind the last request
            body = received[-2][1] if len(received) > 1 else getattr(self._current_request, "content", None)
            if body is not None and not body.is_eof():
                body.set_exception(web.RequestPayloadError("broken chunks"))
                body.feed_eof()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  # as aiohttp has it
        """Nothing to do unless reading was paused: aiohttp feeds its parser anew after every piece of a body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        request_id = self._new_id()
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, it can't become another one")
        error = _refusal(status, exc)
        REQUEST_ID.set(request_id)
        reason = exc.message if isinstance(exc, BadRequest) else type(exc).__name__
        _log.warning("request refused by the server", status=status, reason=reason, exc_info=status >= 500)
        response = error_response(error, request_id, outcome=NOT_WRITTEN)
        response.headers[REQUEST_ID_HEADER] = request_id
        response.headers.update(SECURITY)
        response.headers[hdrs.SERVER] = SERVER_NAME
        response.force_close()
        return response


def _ends_its_connection(message: RawRequestMessage) -> bool:
    """Whether aiohttp (3.14) would read the next request on the connection wrong.

    The last trailer behind chunks becomes a header of the next request, which may be somebody else's, where a proxy
    shares its connections. What follows a wish for a protocol that aiohttp does not know, such as h2c, is lost.
    """
    return message.chunked or (message.upgrade and message.headers.get(hdrs.UPGRADE, "").lower() != "websocket")


def _refusal(status: int, exc: BaseException | None) -> SluiceError:
    if isinstance(exc, BadRequest):
        return exc
    return BadRequest("the request is not valid HTTP/1.1") if status == 400 else framework_error(status, "")
