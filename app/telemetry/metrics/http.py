"""Requests as HTTP sees them: how many, how long, how large, by route, method and status."""

from functools import cache
from typing import NamedTuple

from prometheus_client import Histogram

from app.telemetry.metrics.families import Families, Tally

_LABELS = ("method", "route", "status")
_EXEMPLAR_SECONDS = 1.0
_SLOW_SECONDS = 0.25
_LONGEST_ID = 100
"""OpenMetrics takes 128 characters of an exemplar's labels, their names included."""


class Answered(NamedTuple):
    """A request whose answer is out. `ended` is the monotonic time of that, `seconds` how long it took.

    The bytes are those of the body received, and those sent, the head included. `request_id` leads from
    a figure to the lines of the log.
    """

    method: str
    route: str
    status: int
    seconds: float
    ended: float
    received: int
    sent: int
    request_id: str


class _Series(NamedTuple):
    duration: Histogram
    received: Tally
    sent: Tally


class HttpMetrics:
    """Told of each request once. Of the exemplars only the latest in a bucket is kept: one a second is enough."""

    def __init__(self, new: Families) -> None:
        duration = new.seconds(
            "http_request_duration", "From the request's head to the answer's last byte.", *_LABELS
        ).labels
        received = new.count("http_request_bytes", "Bytes of requests' bodies, as they came.", *_LABELS).labels
        sent = new.count("http_response_bytes", "Bytes of answers, their heads included.", *_LABELS).labels
        self._of = cache(
            lambda *labels: _Series(duration(*labels), new.tally(received(*labels)), new.tally(sent(*labels)))
        )
        self._errors = new.count("sluice_errors", "Answers that tell of an error.", "code").labels
        self._next_exemplar = 0.0
        self.in_flight = new.level("http_requests_in_flight", "Requests that are not answered yet.", "livesum")

    def failed(self, code: str) -> None:
        """The answer told of this error."""
        self._errors(code).inc()

    def answered(self, request: Answered) -> None:
        series = self._of(request.method, request.route, request.status)
        series.duration.observe(request.seconds, self._exemplar(request))
        series.received.add(request.received)
        series.sent.add(request.sent)

    def _exemplar(self, request: Answered) -> dict[str, str] | None:
        if request.seconds < _SLOW_SECONDS and request.ended < self._next_exemplar:
            return None
        self._next_exemplar = request.ended + _EXEMPLAR_SECONDS
        return {"request_id": request.request_id} if len(request.request_id) <= _LONGEST_ID else None
