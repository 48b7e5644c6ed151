"""Every metric of the gateway, on a registry of its own: `docs/metrics.md` explains each.

Labels come from known names only, whatever clients write.
"""

from collections.abc import Callable
from pathlib import Path

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
        topic = ("stream", "topic")
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from the request's head to the answer's last byte handed over.",
            ("method", "route", "status"),
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.events_created = Counter("events_created", "Events stored, repeats left out.", registry=self.registry)
        self.messages_sent = Counter(
            "sluice_messages_sent", "Messages by what became of them.", (*topic, "status"), registry=self.registry
        )
        self.messages_polled = Counter("sluice_messages_polled", "Messages answered.", topic, registry=self.registry)
        self.send_duration = Histogram(
            "sluice_send_duration_seconds",
            "Time a request's messages took from the use case to the broker's acknowledgement.",
            topic,
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.poll_duration = Histogram(
            "sluice_poll_duration_seconds",
            "Time a poll took, waiting for messages included.",
            topic,
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.commits_refused = Counter(
            "sluice_commits_refused",
            "Offsets of auto_commit polls that the broker refused after the answer was written.",
            registry=self.registry,
        )
        self.refusals = Counter(
            "sluice_refusals",
            "Requests refused at the door, by reason and, where it is known, by the key's name.",
            ("reason", "key"),
            registry=self.registry,
        )
        self.connection_status = Gauge(
            "sluice_connection_status",
            "1 while the broker answers, else 0.",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.connection_reconnects = Counter(
            "sluice_connection_reconnects", "Attempts to connect to the broker.", registry=self.registry
        )
        self.connection_rebuilds = Counter(
            "sluice_connection_rebuilds",
            "Connections made anew because the old one could not heal by itself, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.connection_state = Gauge(
            "sluice_connection_state",
            "1 for the state the connection is in, else 0.",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.breaker_state = Gauge(
            "sluice_circuit_breaker_state",
            "0 closed, 1 half-open, 2 open.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.breaker_opens = Counter(
            "sluice_circuit_breaker_opens", "Times the circuit breaker opened.", registry=self.registry
        )
        self.breaker_rejections = Counter(
            "sluice_circuit_breaker_rejections",
            "Sends refused because the breaker was open, or half-open with all tries taken.",
            ("state",),
            registry=self.registry,
        )
        self.send_queue = Gauge(
            "sluice_send_queue",
            "Sends that wait for the broker's acknowledgement.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.audit_lost = Counter(
            "sluice_audit_lost", "Audit events that could not be written.", registry=self.registry
        )
        self.inflight_bytes = Gauge(
            "sluice_inflight_bytes",
            "Bytes of request bodies held in memory.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

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
