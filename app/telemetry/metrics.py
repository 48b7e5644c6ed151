"""Every metric of the gateway, on a registry of its own: `docs/metrics.md` explains each.

Labels come from known names only, whatever clients write.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics

UNKNOWN = "_unknown"
_LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures by name. Cheap to update from the event loop; read by `expose`.

    With a `shared` folder (see `sharing`) `expose` tells the sum over all processes that use it.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self._sampled: list[tuple[Gauge, Callable[[], float]]] = []
        self.registry = CollectorRegistry()
        new = _Maker(self.registry)
        self.http_request_duration = new.seconds(
            "http_request_duration", "From the request's head to the answer's last byte.", "method", "route", "status"
        )
        self.refusals = new.count("sluice_refusals", "Requests refused at the door.", "reason", "key")
        self.limit_fallbacks = new.count(
            "sluice_limit_fallbacks", "Limits decided without Redis, which did not answer."
        )
        self.inflight_bytes = new.level("sluice_inflight_bytes", "Bytes of request bodies held in memory.", "livesum")
        self._make_messages(new)
        self._make_connection(new)
        self.audit_lost = new.count("sluice_audit_lost", "Audit events that could not be written.")

    def _make_messages(self, new: "_Maker") -> None:
        topic = ("stream", "topic")
        self.events_created = new.count("events_created", "Events stored, repeats left out.")
        self.messages_sent = new.count("sluice_messages_sent", "Messages by what became of them.", *topic, "status")
        self.messages_polled = new.count("sluice_messages_polled", "Messages answered.", *topic)
        self.send_duration = new.seconds(
            "sluice_send_duration", "From the use case to the broker's acknowledgement.", *topic
        )
        self.poll_duration = new.seconds("sluice_poll_duration", "A poll, waiting for messages included.", *topic)
        self.commits_refused = new.count(
            "sluice_commits_refused", "Offsets of auto_commit polls that the broker refused after the answer was out."
        )

    def _make_connection(self, new: "_Maker") -> None:
        self.connection_status = new.level("sluice_connection_status", "1 while the broker answers, else 0.", "livemin")
        self.connection_state = new.level(
            "sluice_connection_state", "1 for the state the connection is in, else 0.", "livesum", "state"
        )
        self.connection_reconnects = new.count("sluice_connection_reconnects", "Attempts to connect to the broker.")
        self.connection_rebuilds = new.count(
            "sluice_connection_rebuilds", "Connections made anew because the old one could not heal.", "reason"
        )
        self.breaker_state = new.level("sluice_circuit_breaker_state", "0 closed, 1 half-open, 2 open.", "livemax")
        self.breaker_opens = new.count("sluice_circuit_breaker_opens", "Times the circuit breaker opened.")
        self.breaker_rejections = new.count(
            "sluice_circuit_breaker_rejections", "Sends refused while open, or half-open with all tries taken.", "state"
        )
        self.send_queue = new.level("sluice_send_queue", "Sends that wait for their acknowledgement.", "livesum")

    def refused(self, reason: str, key: str | None = None) -> None:
        """A request, or what was none yet, was refused; `key` is the name of the one whose secret was right."""
        self.refusals.labels(reason, key or UNKNOWN).inc()

    def follow(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Let the gauge show what `value` answers: at each exposition, or, with others, at each `sample`."""
        if self._shared is None:
            gauge.set_function(value)
        else:
            self._sampled.append((gauge, value))

    def sample(self) -> None:
        """Write down the gauges that follow something, for other processes to expose."""
        for gauge, value in self._sampled:
            gauge.set(value())

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The whole exposition and its content type: OpenMetrics for those who accept it, else Prometheus text."""
        registry = self.registry
        if self._shared is not None:
            self.sample()
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        if "application/openmetrics-text" in accept:
            return _openmetrics(registry), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(registry), TEXT


def _openmetrics(registry: CollectorRegistry) -> bytes:
    text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


Combined = Literal["livesum", "livemin", "livemax"]
"""How a gauge of several processes becomes one figure."""


class _Maker:
    """Metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def count(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def level(self, name: str, meaning: str, combined: Combined, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self._registry, multiprocess_mode=combined)

    def seconds(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(f"{name}_seconds", meaning, labels, buckets=_LATENCY, registry=self._registry)
