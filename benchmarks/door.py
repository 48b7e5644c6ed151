"""What the door costs a request: its four middlewares by themselves, over a handler that does nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import Mock

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from app.addresses import TrustedProxies
from app.api.call import Call
from app.api.middleware.authorise import authorise
from app.api.middleware.cors import cors
from app.api.middleware.identify import identify
from app.api.middleware.limit import limit
from app.api.request import Handler, Request
from app.api.route import Route, composed
from app.door.attempts import Attempts
from app.door.keyring import ANYBODY, Identify, Keyring
from app.door.keys import Key, digest, key_text, new_secret
from app.door.limits import LocalLimiter
from app.door.moments import Moments
from app.door.scopes import Right
from app.names import TopicName
from app.telemetry.metrics import Metrics
from benchmarks.cpu import least

_PATH = "/streams/{stream}/topics/{topic}/messages"
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
        calls = {"bare": _nothing, **self._chains}
        found = least({name: partial(call, self._request) for name, call in calls.items()}, seconds)
        return {f"{name}, us": found[name] - found["bare"] for name in self._chains}


@contextmanager
def door() -> Iterator[Door]:
    yield Door()


async def _nothing(_request: Request) -> Any:
    return None


def _request(key: str) -> Request:
    """A request as a client sends it, routed."""
    url = URL(_PATH.format(stream="orders", topic="paid"))
    headers = CIMultiDictProxy(CIMultiDict({"Host": "x", "Accept": "*/*", "X-API-Key": key}))
    message = RawRequestMessage("POST", url.raw_path, HttpVersion11, headers, (), False, None, False, False, url)  # noqa: FBT003
    nothing: Any = Mock()
    request = Request(message, EMPTY_PAYLOAD, nothing, "127.0.0.1")
    request.match_info = {"stream": "orders", "topic": "paid"}
    request.call = Call("id")
    return request


def _chain(whose: Identify) -> Handler:
    default = TopicName.create("sample-stream", "events")
    metrics = Metrics()
    middlewares = (
        cors({"*"}, metrics.door.refused),
        identify(whose, TrustedProxies(), in_query=False),
        limit(LocalLimiter(Moments.alone(), time.monotonic), metrics, rps=1e6, burst=1000),
        authorise(Attempts(time.monotonic), metrics, default=default, without_key={"/health", "/ready"}),
    )
    return composed(Route("POST", _PATH, Right.PRODUCE, _nothing), middlewares)
