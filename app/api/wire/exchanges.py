"""The requests of one connection, each answered before the next is begun.

aiohttp (3.14) makes a task of every request, and its loop over them waits for it; here the connection's own task serves
them, which takes half of what an empty request costs.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from app.api.answer import Answer
from app.api.call import Call
from app.api.headers import common_lines
from app.api.middleware.errors import framework_error
from app.api.request import Handler, Request
from app.api.responses import error_response
from app.api.wire.framing import fault_of
from app.errors import NOT_WRITTEN, BadRequest, SluiceError
from app.telemetry.logs import get_logger, serve_request

_log = get_logger(__name__)


class Exchanges(RequestHandler):
    """aiohttp's connection, but for the loop over its requests; what is no request is answered as all else is."""

    __slots__ = ("_app", "_new_id", "_peer")

    def __init__(self, server: web.Server, *, app: Handler, new_id: Callable[[], str], **how: Any) -> None:
        super().__init__(server, **how)
        self._app = app
        self._new_id = new_id
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._peer = _address(transport.get_extra_info("peername"))

    async def start(self) -> None:
        """aiohttp calls it once the connection is made, in a task of its own."""
        while not self._force_close:
            if not self._messages:
                self._waiter = waiter = self._loop.create_future()
                try:
                    await waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            self._keepalive = await self._exchange(message, payload)
            if not self._keepalive or self._close:
                break
            del message, payload  # an idle connection keeps nothing of its last request
            self._next_keepalive_close_time = closes_at = self._loop.time() + self._keepalive_timeout
            if self._keepalive_handle is None:
                self._keepalive_handle = self._loop.call_at(closes_at, self._process_keepalive)
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _exchange(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> bool:
        """Answer one request; whether another may follow it."""
        self._request_in_progress = True
        try:
            request = self._request_of(message, payload)
            if isinstance(request, Request):
                response = await self._app(request)
                rest = None
                if isinstance(response, Answer) and not response.size:  # nobody has written it within
                    rest = request.answer(response)
                if rest is not None:
                    await rest
                goes_on = bool(response.keep_alive)
            else:
                goes_on = self._refuse_request(request)
            if not payload.is_eof():
                await self._linger(payload)
        except ConnectionError:
            return False
        except Exception as error:  # noqa: BLE001  # nothing stands outside of this
            return self._failed(error)
        except BaseException:
            self.force_close()
            raise
        else:
            return goes_on
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)

    def _request_of(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> Request | SluiceError:
        """The request, or why it is none."""
        if isinstance(message, _ErrInfo):
            error = message.exc
            return error if isinstance(error, SluiceError) else BadRequest("the request is not valid HTTP/1.1")
        if (fault := self._fault_of(message)) is not None:
            return BadRequest(fault)
        if message.chunked or message.upgrade:
            message = _last(message)
        request = Request(message, payload, self, self._peer)
        self._current_request = request  # type: ignore[assignment]  # aiohttp asks no more of it than `_cancel`
        return request

    def _fault_of(self, message: RawRequestMessage) -> str | None:
        """Why the request must be refused whatever it asks for, in a sentence."""
        return fault_of(message)

    def _refuse_request(self, error: SluiceError, mistake: Exception | None = None) -> bool:
        """Answer with the error: the last answer of the connection. `mistake` is one of ours."""
        if self.transport is None or self.transport.is_closing():
            return False
        call = Call(self._new_id())
        serve_request(call.request_id)
        answer = error_response(error, call.request_id, outcome=NOT_WRITTEN)
        answer.keep_alive = False
        reason = type(mistake).__name__ if mistake else error.message
        _log.warning("request refused by the server", status=answer.status, reason=reason, exc_info=mistake)
        self.transport.write(answer.on_wire(common_lines(call), version=HttpVersion11, head_only=False))
        return False

    def _failed(self, mistake: Exception) -> bool:
        """Nobody has answered, and nobody will, unless it can still be done here."""
        request: Any = self._current_request
        if isinstance(request, Request) and not request.sent:
            return self._refuse_request(framework_error(500, ""), mistake)
        _log.error("a connection failed", exc_info=mistake)
        return False

    async def _linger(self, body: StreamReader) -> None:
        """Take what still comes of a body that nobody wanted: to close before would cost the client its answer."""
        with suppress(TimeoutError, web.RequestPayloadError):
            async with asyncio.timeout(self._lingering_time):
                while not body.is_eof() and not self._force_close:
                    await body.readany()
        if not body.is_eof():
            self.close()


def _address(peer: Any) -> str:
    """Of an address family's own form of it."""
    return str(peer[0] if isinstance(peer, (tuple, list)) else peer or "")


def _last(message: RawRequestMessage) -> RawRequestMessage:
    """The same as the last request of its connection, for aiohttp (3.14) would read the next one wrong.

    The last trailer behind chunks becomes a header of the next request, which may be somebody else's, where a proxy
    shares its connections. What follows a wish for a protocol that does not come, such as h2c, is lost.
    """
    return message._replace(should_close=True)
