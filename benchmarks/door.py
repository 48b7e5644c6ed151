"""What the door costs a request: its four middlewares by themselves, over a handler that does nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from app.addresses import TrustedProxies
from app.api.middleware.authorise import authorise
from app.api.middleware.cors import cors
from app.api.middleware.identify import identify
from app.api.middleware.limit import limit
from app.api.state import CALL, Call
from app.door.attempts import Attempts
from app.door.keyring import ANYBODY, Identify, Keyring
from app.door.keys import Key, digest, key_text, new_secret
from app.door.limits import Limiter
from app.door.moments import Moments
from app.door.scopes import Right
from app.names import TopicName
from app.telemetry.metrics import Metrics

_PATH = "/streams/{stream}/topics/{topic}/messages"
_TIMES = 2000
KEYS = 1000


class Door:
    """CPU, since nothing here waits: microseconds a request, over those of the bare handler."""

    title = f"the door (CORS, identify, limit, authorise), {KEYS} keys with two scopes each"

    def __init__(self) -> None:
        secret = new_secret()
        keyring = Keyring(time.time)
        hashes = (digest(secret).hex(),)
        keyring.replace(Key(f"k{number}", hashes, ("produce:orders.*", "consume:*.audit")) for number in range(KEYS))
        self._request = _request(key_text(f"k{KEYS // 2}", secret))
        self._chains = {"keys on": _chain(keyring.identify), "keys off": _chain(lambda _: ANYBODY)}

    def one_round(self, seconds: float) -> dict[str, float]:
        """The least of many turns: a noisy machine only ever adds."""
        found = {name: float("inf") for name in ("bare", *self._chains)}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name, call in {"bare": _nothing, **self._chains}.items():
                found[name] = min(found[name], _microseconds(partial(call, self._request)))
        return {f"{name}, us": found[name] - found["bare"] for name in self._chains}


@contextmanager
def door() -> Iterator[Door]:
    yield Door()


async def _nothing(_request: web.Request) -> Any:
    return None


def _request(key: str) -> web.Request:
    """A request as a client sends it, routed."""
    app = web.Application()
    app.router.add_post(_PATH, _nothing)
    request = make_mocked_request(
        "POST", _PATH.format(stream="orders", topic="paid"), headers={"Host": "x", "Accept": "*/*", "X-API-Key": key}
    )
    match = _run(partial(app.router.resolve, request))
    match.add_app(app)
    request._match_info = match  # noqa: SLF001  # as aiohttp's own server does
    request[CALL] = Call("id")
    return request


def _chain(whose: Identify) -> Callable[[web.Request], Any]:
    default = TopicName.create("sample-stream", "events")
    rights = {("POST", _PATH): Right.PRODUCE}
    metrics = Metrics()
    chain: Callable[[web.Request], Any] = _nothing
    for middleware in (
        authorise(rights, Attempts(time.monotonic), metrics, default=default, without_key={"/health", "/ready"}),
        limit(Limiter(Moments.alone(), time.monotonic), metrics, rps=1e6, burst=1000),
        identify(whose, TrustedProxies(), in_query=False),
        cors({"*"}),
    ):
        chain = partial(middleware, handler=chain)
    return chain


def _microseconds(call: Callable[[], Any]) -> float:
    started = time.process_time_ns()
    for _ in range(_TIMES):
        _run(call)
    return (time.process_time_ns() - started) / _TIMES / 1000


def _run(call: Callable[[], Any]) -> Any:
    """A coroutine that waits for nothing ends at its first step."""
    try:
        call().send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waited")
