"""What a request carries from middleware to handler: one object, by a typed key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from app.addresses import network_of
from app.deadline import Deadline
from app.door.keyring import NOBODY, Identity
from app.door.limits import Verdict
from app.gateway.consumer import Delivery
from app.names import TopicName
from app.resilience.budget import Lease

__all__ = [
    "CALL",
    "REQUEST_ID_HEADER",
    "SECURITY",
    "SERVER_NAME",
    "Call",
    "Handler",
    "Middleware",
    "asks_for_websocket",
    "caller_of",
    "carries_events",
    "client_gone",
    "route_of",
    "topic_of",
]

REQUEST_ID_HEADER = istr("X-Request-Id")
SERVER_NAME = "sluice"
SECURITY = {istr("X-Content-Type-Options"): "nosniff", hdrs.CACHE_CONTROL: "no-store"}
"""On every answer that does not say otherwise."""


UNKNOWN_ROUTE = "_unknown"


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
    route: str = UNKNOWN_ROUTE
    identity: Identity = NOBODY
    address: str = ""
    limit: Verdict | None = None
    allowed_origin: str | None = None
    deadline: Deadline = field(init=False)
    lease: Lease = field(init=False)
    effective_timeout: int | None = None
    delivery: Delivery | None = None
    traceparent: str | None = None


CALL = web.RequestKey("call", Call)


def route_of(request: web.Request) -> str:
    """The route's template, such as `/streams/{stream}`; never what the client wrote."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN_ROUTE


def caller_of(call: Call) -> str:
    """Whose limits a request counts against: its valid key's, else its address's (IPv6 by /64)."""
    name = call.identity.name
    return network_of(call.address) if name is None else f"key {name}"


def client_gone(request: web.Request) -> bool:
    """Whether there is nobody left to answer."""
    transport = request.transport
    return transport is None or transport.is_closing()


def asks_for_websocket(headers: Mapping[str, str]) -> bool:
    """Whether these want the connection to become one."""
    return headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def carries_events(method: str, path: str) -> bool:
    """Whether a failure of this request has to say what became of the records."""
    return method == "POST" and path.endswith(("/messages", "/messages/batch", "/events"))


def topic_of(request: web.Request) -> TopicName:
    """The topic that the path names. Raises ValidationFailed, NotFound."""
    return TopicName.address(request.match_info["stream"], request.match_info["topic"])
