"""A request on its way: aiohttp's own, with what its path means and what the middlewares find out about it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from app.addresses import network_of
from app.api.wire.outbox import HeldTransport
from app.deadline import Deadline
from app.door.keyring import NOBODY, Identity
from app.door.limits import Verdict
from app.gateway.consumer import Delivery
from app.names import TopicName
from app.resilience.budget import Lease


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way, by its id and the template of its route.

    `deadline` and `lease` are there from the deadlines middleware inwards. `identity` is there from the identify
    middleware inwards, and until then nobody's; `address` is the client's from there, too. `limit` is what the rate
    limit says, `allowed_origin` whose web pages may read the answer. `effective_timeout` is in milliseconds, for who
    asked for one. A poll's `delivery` is to be settled once the answer is out, or could not be written. By
    `traceparent` the records of the request belong to its trace, where the gateway traces.
    """

    request_id: str
    identity: Identity = NOBODY
    address: str = ""
    limit: Verdict | None = None
    allowed_origin: str | None = None
    deadline: Deadline = field(init=False)
    lease: Lease = field(init=False)
    effective_timeout: int | None = None
    delivery: Delivery | None = None
    traceparent: str | None = None


class Request(web.BaseRequest):
    """What handlers and middlewares are given.

    `match_info` has the parts of the path by their names; `call` is there from the request-id middleware inwards.
    `add_headers` is called with each answer of the application before its head is written, be it a stream's.
    """

    match_info: Mapping[str, str]
    call: Call
    add_headers: Callable[[Call, web.StreamResponse], None] | None = None

    def send(self) -> None:
        """Send what is written of the answer now, not at the end of this round of the event loop."""
        if isinstance(self.transport, HeldTransport):
            self.transport.send()

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """aiohttp asks every request so; its applications' `on_response_prepare` hangs on it, too."""
        if self.add_headers is not None:
            self.add_headers(self.call, response)


Handler = Callable[[Request], Awaitable[web.StreamResponse]]


def caller_of(call: Call) -> str:
    """Whose limits a request counts against: its valid key's, else its address's (IPv6 by /64)."""
    name = call.identity.name
    return network_of(call.address) if name is None else f"key {name}"


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
