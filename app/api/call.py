"""What the middlewares find out about a request."""

from collections.abc import Callable

from msgspec import Struct

from app.addresses import network_of
from app.deadline import Deadline
from app.door.keyring import NOBODY, Identity
from app.door.limits import Verdict
from app.gateway.consumer import Delivery
from app.resilience.budget import Lease


class Call(Struct, eq=False):
    """One request on its way, by its id.

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
    deadline: Deadline = None  # type: ignore[assignment]  # there before anybody asks for it
    lease: Lease = None  # type: ignore[assignment]
    effective_timeout: int | None = None
    at_end: Callable[[], None] | None = None
    delivery: Delivery | None = None
    traceparent: str | None = None

    def end(self) -> None:
        """The answer is there, though not written: deadline and lease are given back, if there are any."""
        if self.at_end is not None:
            self.at_end()


def caller_of(call: Call) -> str:
    """Whose limits a request counts against: its valid key's, else its address's (IPv6 by /64)."""
    name = call.identity.name
    return network_of(call.address) if name is None else f"key {name}"
