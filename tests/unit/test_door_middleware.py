"""`identify` and `authorise` alone, with a clock that is put forward by hand."""

import pytest
from aiohttp import ClientSession, web

from app.addresses import TrustedProxies
from app.api.answer import Answer
from app.api.app import Application
from app.api.middleware.authorise import authorise
from app.api.middleware.errors import errors
from app.api.middleware.identify import identify
from app.api.middleware.request_id import request_id
from app.api.request import Request
from app.api.route import Route
from app.api.wire.server import GatewayRunner
from app.door.attempts import Attempts
from app.door.keyring import Keyring
from app.door.keys import Key, digest
from app.door.scopes import Right
from app.names import TopicName
from app.telemetry.metrics import Metrics


class At:
    """A clock that is put forward by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return At()


@pytest.fixture
async def client(clock):
    """What stands behind the door tells whose request reached it."""

    async def whose(request: Request) -> Answer:
        return Answer(str(request.call.identity.name).encode())

    keyring = Keyring(clock)
    keyring.replace([Key("shop", (digest("s").hex(),), ("produce:a.b",))])
    app = Application(
        [Route("GET", "/", Right.ANY, whose), Route("GET", "/default", Right.PRODUCE, whose)],
        [
            request_id(lambda: "id"),
            errors,
            identify(keyring.identify, TrustedProxies(), in_query=False),
            authorise(Attempts(clock), Metrics(), default=TopicName.create("a", "b"), without_key={"/default"}),
        ],
        stopping=lambda: False,
    )
    runner = GatewayRunner(app, new_id=lambda: "id", shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        yield client
    await runner.cleanup()


async def ask(client: ClientSession, key: str, path: str = "/") -> tuple[int, str | None]:
    async with client.get(path, headers={"X-API-Key": key}) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_wrong_keys_are_answered_again_once_their_time_has_come(client, clock):
    assert [await ask(client, "wrong") for _ in range(5)] == [(401, None)] * 5
    assert await ask(client, "wrong") == (429, "6")
    clock.now += 4.5
    assert await ask(client, "wrong") == (429, "2")
    assert await ask(client, "gw_shop_s") == (200, None)
    clock.now += 1.5
    assert [await ask(client, "wrong") for _ in range(2)] == [(401, None), (429, "6")]


async def test_no_key_is_no_wrong_key(client):
    for _ in range(20):
        async with client.get("/") as answer:
            assert answer.status == 401
    assert await ask(client, "wrong") == (401, None)


async def test_a_path_that_needs_no_key_counts_none(client):
    assert [await ask(client, "wrong", "/default") for _ in range(20)] == [(200, None)] * 20
    assert await ask(client, "wrong") == (401, None)


async def test_what_is_behind_knows_whose_request_it_is(client):
    async with client.get("/", headers={"X-API-Key": "gw_shop_s"}) as answer:
        assert await answer.text() == "shop"
