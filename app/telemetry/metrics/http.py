"""Requests as HTTP sees them: how many, how long, how large, by route, method and status."""

from functools import cache
from typing import Protocol

from msgspec import Struct

from app.telemetry.metrics.families import Families, Tally
from app.telemetry.metrics.histograms import Observed
from app.telemetry.trace_context import is_recorded

_LABELS = ("method", "route", "status")
_EXEMPLAR_SECONDS = 1.0
_SLOW_SECONDS = 0.25
_LONGEST_ID = 64
"""OpenMetrics takes 128 characters of an exemplar's labels, their names and the trace's 40 included."""


class Whose(Protocol):
    """A request's id, and its `traceparent` where it has one: they lead from a figure to log lines and to a trace."""

    @property
    def request_id(self) -> str: ...
    @property
    def traceparent(self) -> str | None: ...


class _Series(Struct, frozen=True):
    duration: Observed
    received: Tally
    sent: Tally


class HttpMetrics:
    """Told of each request once. Of the exemplars only the latest in a bucket is kept: one a second is enough."""

    def __init__(self, new: Families) -> None:
        duration = new.seconds_by(
            "http_request_duration", "From the request's head to the answer's last byte.", *_LABELS
        )
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

    def answered(
        self, method: str, route: str, status: int, times: tuple[float, float], sizes: tuple[int, int], whose: Whose
    ) -> float:
        """The request came at the first of the `times` and had its answer at the second; how many seconds that took.

        The `sizes` are the bytes of the body received, and those sent, the head included.
        """
        started, ended = times
        received, sent = sizes
        seconds = ended - started
        series = self._of(method, route, status)
        series.duration.observe(seconds)
        series.received.total += received
        series.sent.total += sent
        if ended >= self._next_exemplar or seconds >= _SLOW_SECONDS:
            self._next_exemplar = ended + _EXEMPLAR_SECONDS
            if exemplar := _exemplar(whose):
                series.duration.lend(seconds, exemplar)
        return seconds


def _exemplar(whose: Whose) -> dict[str, str] | None:
    found, traceparent = {}, whose.traceparent
    if len(whose.request_id) <= _LONGEST_ID:
        found["request_id"] = whose.request_id
    if traceparent and is_recorded(traceparent):
        found["trace_id"] = traceparent.split("-")[1]
    return found or None
