"""Every request has a deadline, which the client may shorten, and a lease on the budget of bytes."""

from collections.abc import Awaitable
from functools import partial

from multidict import istr

from app.api.answer import Response
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.deadline import Deadline, Deadlines
from app.resilience.budget import ByteBudget, Lease
from app.telemetry.logs import get_logger

HEADER = istr("X-Request-Timeout")
LEAST_MS, MOST_MS = 100, 300_000
"""What may be asked for, in milliseconds."""

_log = get_logger(__name__)


def deadlines(all_deadlines: Deadlines, budget: ByteBudget, *, longest: float) -> Middleware:
    """The middleware; `longest` is the deadline in seconds of a request that asks for none. Both end `at_end`."""

    def middleware(handler: Handler, _route: Route) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            call = request.call
            seconds = longest
            if (given := request.headers.get(HEADER)) is not None:
                seconds = min(longest, _asked(given) or longest)
                call.effective_timeout = round(seconds * 1000)
            deadline = call.deadline = all_deadlines.start(seconds)
            lease = call.lease = Lease(budget)
            call.at_end = partial(end, deadline, lease)
            return handler(request)

        return handle

    def end(deadline: Deadline, lease: Lease) -> None:
        all_deadlines.end(deadline)
        lease.release()

    return middleware


def _asked(text: str) -> float | None:
    """Seconds, or None for what can't be used: a wrong wish is no reason to refuse the request."""
    if text.isascii() and text.isdigit() and len(text) < 10 and LEAST_MS <= int(text) <= MOST_MS:
        return int(text) / 1000
    _log.warning("X-Request-Timeout ignored", expected=f"{LEAST_MS}-{MOST_MS} milliseconds")
    return None
