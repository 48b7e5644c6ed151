"""All metrics of a gateway, on a registry of their own, and their exposition."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics

from app import __version__
from app.telemetry.metrics.broker import BrokerMetrics
from app.telemetry.metrics.door import DoorMetrics
from app.telemetry.metrics.families import Families
from app.telemetry.metrics.http import HttpMetrics
from app.telemetry.metrics.index import IndexMetrics
from app.telemetry.metrics.messages import MessageMetrics
from app.telemetry.metrics.process import ProcessMetrics, SharedProcess, collect_process
from app.telemetry.metrics.seen import SeenMetrics
from app.telemetry.metrics.tails import TailMetrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures, by who reports them. Cheap to update from the event loop; read by `expose`.

    With a `shared` folder (see `sharing`) `expose` tells the sum over all processes that use it.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self._sampled: list[tuple[Gauge, Callable[[], float]]] = []
        self.registry = CollectorRegistry()
        self._families = new = Families(self.registry, shared=shared is not None)
        self.http = HttpMetrics(new)
        self.messages = MessageMetrics(new)
        self.tails = TailMetrics(new)
        self.broker = BrokerMetrics(new)
        self.door = DoorMetrics(new)
        self.index = IndexMetrics(new)
        self.process = ProcessMetrics(new)
        self.seen = SeenMetrics(__version__)
        self._process = SharedProcess(new) if shared else None
        if shared is None:
            self.seen.register(self.registry)
            collect_process(self.registry)

    def follow(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Let the gauge show what `value` answers, in the loop's thread, at each `sample`."""
        self._sampled.append((gauge, value))

    def sample(self) -> None:
        """Write down the gauges that follow something, for other processes to expose; to be called each second.

        Histograms are counted, too: what is observed takes memory until then.
        """
        self._families.count_histograms()
        if self._process:
            self._process.sample()
        for gauge, value in self._sampled:
            gauge.set(value())

    async def expose(self, accept: str) -> tuple[bytes, str]:
        """The whole exposition and its content type: OpenMetrics for those who accept it, else Prometheus text.

        It is written in a thread: with all the topics, keys and lags that have series it takes 0.3 s.
        """
        self.sample()
        return await asyncio.to_thread(self._render, accept)

    def _render(self, accept: str) -> tuple[bytes, str]:
        registry = self.registry
        if self._shared is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
            self.seen.register(registry)
        if "application/openmetrics-text" in accept:
            return _openmetrics(registry), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(registry), TEXT


def _openmetrics(registry: CollectorRegistry) -> bytes:
    text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return text
