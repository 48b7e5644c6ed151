"""What a request carries from middleware to handler, by typed keys."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from app.deadline import Deadline
from app.gateway.consumer import Delivery
from app.resilience.budget import Lease

__all__ = [
    "DEADLINE",
    "DELIVERY",
    "EFFECTIVE_TIMEOUT",
    "LEASE",
    "REQUEST_ID",
    "REQUEST_ID_HEADER",
    "Handler",
    "Middleware",
    "carries_events",
    "client_gone",
    "route_of",
]

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
DEADLINE = web.RequestKey("deadline", Deadline)
EFFECTIVE_TIMEOUT = web.RequestKey("effective_timeout", int)
LEASE = web.RequestKey("lease", Lease)
DELIVERY = web.RequestKey("delivery", Delivery)
"""A poll's, to be settled once the answer is out, or could not be written."""


def route_of(request: web.Request) -> str:
    """The route's template, such as `/streams/{stream}`; never what the client wrote."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "_unknown"


def client_gone(request: web.Request) -> bool:
    """Whether there is nobody left to answer."""
    return request.transport is None or request.transport.is_closing()


def carries_events(method: str, path: str) -> bool:
    """Whether a failure of this request has to say what became of the records."""
    return method == "POST" and path.endswith(("/messages", "/messages/batch", "/events"))
