"""`observe` writes the answer itself: before anything is settled that depends on it."""

import asyncio
import socket

import pytest
from aiohttp import web

from app.api.answer import Answer
from app.api.app import Application
from app.api.middleware.observe import observe
from app.api.middleware.request_id import request_id
from app.api.request import Handler, Request
from app.api.route import Route
from app.api.wire.server import GatewayRunner
from app.door.scopes import Right
from app.gateway.consumer import Delivery
from app.record import Fetched
from app.telemetry.metrics import Metrics

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def serve():
    """A gateway of one poll, at an address."""
    runners = []

    async def served(poll: Handler) -> tuple[str, int]:
        middlewares = [request_id(lambda: "id"), observe(Metrics())]
        app = Application([Route("GET", "/", Right.ANY, poll)], middlewares, stopping=lambda: False)
        runners.append(GatewayRunner(app, new_id=lambda: "id", shutdown_timeout=1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return runners[-1].addresses[0]

    yield served
    for runner in runners:
        await runner.cleanup()


async def test_a_poll_is_settled_once_its_answer_has_left(serve):
    settled = asyncio.get_running_loop().create_future()

    async def settle(written: bool) -> None:  # noqa: FBT001  # as its contract has it
        settled.set_result((written, client.recv(65_536, socket.MSG_DONTWAIT)[-6:]))

    async def poll(request: Request) -> Answer:
        request.call.delivery = Delivery(Fetched([], 0, 0, 0), settle)
        return Answer(b"answer")

    with socket.create_connection(await serve(poll)) as client:
        client.sendall(GET)
        async with asyncio.timeout(5):
            assert await settled == (True, b"answer")


async def test_a_poll_whose_answer_can_not_be_written_is_not_settled_as_written(serve):
    settled = asyncio.get_running_loop().create_future()

    async def settle(written: bool) -> None:  # noqa: FBT001  # as above
        settled.set_result(written)

    async def poll(request: Request) -> Answer:
        request.call.delivery = Delivery(Fetched([], 0, 0, 0), settle)
        return Answer(b"answer", headers={"Link": "a\r\nb"})

    with socket.create_connection(await serve(poll)) as client:
        client.sendall(GET)
        async with asyncio.timeout(5):
            assert await settled is False


async def test_who_does_not_take_its_answer_holds_nothing_of_deadlines_and_budget(serve):
    ended = asyncio.Event()

    async def poll(request: Request) -> Answer:
        request.call.at_end = ended.set
        return Answer(b"x" * (1 << 24))

    with socket.create_connection(await serve(poll)) as client:
        client.sendall(GET)
        async with asyncio.timeout(5):
            await ended.wait()
