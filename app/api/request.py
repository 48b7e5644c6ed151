"""A request on its way: aiohttp's own, with what its path means and what the middlewares find out about it."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web

from app.api.answer import Answer, Response
from app.api.call import Call
from app.api.headers import add_common, common_lines
from app.api.wire.outbox import HeldTransport
from app.names import TopicName


class Request(web.BaseRequest):
    """What handlers and middlewares are given.

    `match_info` has the parts of the path by their names; `call` is there from the request-id middleware inwards.
    When `stopping`, its answer ends the connection.
    """

    match_info: Mapping[str, str]
    call: Call
    stopping: Callable[[], bool]

    def answer(self, answer: Answer) -> Awaitable[None] | None:
        """Write the whole of it; what there is to wait for. Raises ConnectionError when nobody is left to answer."""
        protocol = self._protocol
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if self._message.should_close or self.stopping():
            answer.keep_alive = False
        common, head_only = common_lines(self.call), self._method == hdrs.METH_HEAD
        transport.write(answer.on_wire(common, version=self._version, head_only=head_only))
        self._payload_writer.output_size += answer.size
        return self._payload_writer.drain() if protocol.writing_paused else None

    def send(self) -> None:
        """Send what is written of the answer now, not at the end of this round of the event loop."""
        if isinstance(self.transport, HeldTransport):
            self.transport.send()

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """aiohttp asks every request so; its applications' `on_response_prepare` hangs on it, too."""
        add_common(self.call, response.headers)
        if self.stopping():
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


Handler = Callable[[Request], Awaitable[Response]]


def client_gone(request: Request) -> bool:
    """Whether there is nobody left to answer."""
    transport = request.transport
    return transport is None or transport.is_closing()


def asks_for_websocket(headers: Mapping[str, str]) -> bool:
    """Whether these want the connection to become one."""
    return headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def topic_of(request: Request) -> TopicName:
    """The topic that the path names. Raises ValidationFailed, NotFound."""
    return TopicName.address(request.match_info["stream"], request.match_info["topic"])
