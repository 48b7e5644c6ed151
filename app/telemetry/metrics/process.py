"""The process itself: memory, CPU, files, garbage collection, and how late its event loop is."""

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from app.telemetry.metrics.families import Families


class ProcessMetrics:
    """The loop's and the collector's delays, of all processes together."""

    def __init__(self, new: Families) -> None:
        self.loop_lag = new.seconds("sluice_event_loop_lag", "How late the event loop comes to what is due.")
        self.gc_pauses = new.count("sluice_gc_pause_seconds", "Time spent in Python's garbage collector.")


def collect_process(registry: CollectorRegistry) -> None:
    """prometheus_client's own figures of this process, which can't be told of several at once."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
