"""`observe` writes the answer itself: before anything is settled that depends on it."""

import asyncio
import socket

from aiohttp import web

from app.api.answer import Answer
from app.api.app import Application
from app.api.middleware.observe import observe
from app.api.middleware.request_id import request_id
from app.api.request import Request
from app.api.route import Route
from app.api.wire.server import GatewayRunner
from app.door.scopes import Right
from app.gateway.consumer import Delivery
from app.record import Fetched
from app.telemetry.metrics import Metrics


async def test_a_poll_is_settled_once_its_answer_has_left():
    settled = asyncio.get_running_loop().create_future()

    async def settle(written: bool) -> None:  # noqa: FBT001  # as its contract has it
        settled.set_result((written, client.recv(65_536, socket.MSG_DONTWAIT)[-6:]))

    async def poll(request: Request) -> Answer:
        request.call.delivery = Delivery(Fetched([], 0, 0, 0), settle)
        return Answer(b"answer")

    middlewares = [request_id(lambda: "id"), observe(Metrics())]
    app = Application([Route("GET", "/", Right.ANY, poll)], middlewares, stopping=lambda: False)
    runner = GatewayRunner(app, new_id=lambda: "id", shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with socket.create_connection(runner.addresses[0]) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert await settled == (True, b"answer")
    await runner.cleanup()
