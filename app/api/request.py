"""A request on its way: what came, what its path means, and what the middlewares find out about it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.http import StreamWriter
from aiohttp.http_parser import RawRequestMessage
from multidict import MultiMapping

from app.api.answer import Answer, Response
from app.api.call import Call
from app.api.headers import add_common, common_lines
from app.api.wire.outbox import HeldTransport
from app.names import TopicName


class Request:
    """What handlers and middlewares are given: the head that came, and the body, which may still come, as `content`.

    `match_info` has the parts of the path by their names; `call` is there from the request-id middleware inwards.
    `peer` is the address at the other end of the connection, which may be a proxy's; empty for none. When `stopping`,
    its answer ends the connection.

    aiohttp's own request knows all that could be asked, at ten times the price: it is made for those who do (`whole`).
    """

    __slots__ = (
        *("_message", "_whole", "_written", "call", "content", "headers", "match_info", "method", "peer"),
        *("protocol", "rel_url", "stopping"),
    )

    call: Call
    match_info: Mapping[str, str]
    stopping: Callable[[], bool]

    def __init__(
        self, message: RawRequestMessage, content: StreamReader, protocol: web.RequestHandler, peer: str
    ) -> None:
        url = message.url
        self._message = message
        self._whole: _Whole | None = None
        self._written = 0
        self.method = message.method
        self.rel_url = url.relative() if url.absolute else url
        self.headers = message.headers
        self.content = content
        self.protocol = protocol
        self.peer = peer

    @property
    def path(self) -> str:
        """Decoded."""
        return self.rel_url.path

    @property
    def query(self) -> MultiMapping[str]:
        return self.rel_url.query

    @property
    def version(self) -> tuple[int, int]:
        return self._message.version

    @property
    def whole(self) -> "web.BaseRequest":
        """The same, as aiohttp has it. To be asked for by the task that serves it."""
        made = self._whole
        if made is None:
            made = self._whole = _Whole(self, self._message)
        return made

    @property
    def sent(self) -> int:
        """Bytes that were written of the answer, its head included."""
        return self._written if self._whole is None else self._written + self._whole.writer.output_size

    def answer(self, answer: Answer) -> Awaitable[None] | None:
        """Write the whole of it; what there is to wait for. Raises ConnectionError when nobody is left to answer."""
        protocol = self.protocol
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        message = self._message
        if message.should_close or self.stopping():
            answer.keep_alive = False
        head_only = self.method == hdrs.METH_HEAD
        transport.write(answer.on_wire(common_lines(self.call), version=message.version, head_only=head_only))
        self._written = answer.size
        return self.whole.writer.drain() if protocol.writing_paused else None

    def send(self) -> None:
        """Send what is written of the answer now, not at the end of this round of the event loop."""
        transport = self.protocol.transport
        if isinstance(transport, HeldTransport):
            transport.send()

    def _cancel(self, error: BaseException) -> None:
        """aiohttp calls it so: the rest of the body will not come."""
        self.content.set_exception(error)


class _Whole(web.BaseRequest):
    def __init__(self, request: Request, message: RawRequestMessage) -> None:
        loop, protocol = asyncio.get_running_loop(), request.protocol
        task: Any = asyncio.current_task()
        super().__init__(message, request.content, protocol, StreamWriter(protocol, loop), task, loop)
        self._request = request

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """aiohttp asks every request so; its applications' `on_response_prepare` hangs on it, too."""
        add_common(self._request.call, response.headers)
        if self._request.stopping():
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


Handler = Callable[[Request], Awaitable[Response]]


def client_gone(request: Request) -> bool:
    """Whether there is nobody left to answer."""
    transport = request.protocol.transport
    return transport is None or transport.is_closing()


def asks_for_websocket(headers: Mapping[str, str]) -> bool:
    """Whether these want the connection to become one."""
    return headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def topic_of(request: Request) -> TopicName:
    """The topic that the path names. Raises ValidationFailed, NotFound."""
    return TopicName.address(request.match_info["stream"], request.match_info["topic"])
