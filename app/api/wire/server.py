"""aiohttp's server of connections that are ours, with size limits of bodies left to `body`."""

from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from app.api.request import Handler
from app.api.wire.connection import Bounds, Connection
from app.api.wire.crowd import Crowd
from app.api.wire.outbox import Outbox

KEEP_ALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0


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
    """aiohttp's, but for the connections it makes.

    Bodies are left compressed: `body.read_body` bounds what comes out of them.
    """

    def __init__(self, app: Handler, new_id: Callable[[], str], bounds: Bounds, refused: Callable[[str], None]) -> None:
        super().__init__(
            cast(Any, app),
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
        self._outbox = Outbox()

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._crowd,
            self._outbox,
            loop=self._loop,
            app=self._app,
            new_id=self._new_id,
            bounds=self._bounds,
            refused=self._refused,
            **self._kwargs,
        )
