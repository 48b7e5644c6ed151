"""aiohttp's server, with what its HTTP parser refuses in the one error shape and size limits left to `body`."""

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from app.api.middleware.errors import framework_error
from app.api.responses import error_response
from app.api.state import REQUEST_ID_HEADER
from app.errors import NOT_WRITTEN, BadRequest
from app.telemetry.logs import REQUEST_ID, get_logger

KEEP_ALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0

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
    """The application's own server, but for the connections it makes."""

    def __init__(self, made: web.Server, new_id: Callable[[], str]) -> None:
        settings = vars(made)["_kwargs"]  # aiohttp has no public way to choose the class of its connections
        super().__init__(made.request_handler, request_factory=made.request_factory, **settings)
        self._new_id = new_id

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, new_id=self._new_id, **self._kwargs)


class _Connection(RequestHandler):
    """A connection that answers what the HTTP parser refuses as everything else is answered."""

    __slots__ = ("_new_id",)

    def __init__(self, manager: web.Server, *, new_id: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._new_id = new_id

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
        error = BadRequest("the request is not valid HTTP/1.1") if status == 400 else framework_error(status, "")
        REQUEST_ID.set(request_id)
        _log.warning("request refused by the server", status=status, reason=type(exc).__name__, exc_info=status >= 500)
        response = error_response(error, request_id, outcome=NOT_WRITTEN)
        response.headers[REQUEST_ID_HEADER] = request_id
        response.force_close()
        return response
