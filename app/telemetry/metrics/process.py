"""The process itself: memory, CPU, files, garbage collection, and how late its event loop is."""

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from app.telemetry.metrics.families import Combined, Families

_LEVELS: dict[str, tuple[str, Combined]] = {
    "process_resident_memory_bytes": ("Memory in RAM.", "livesum"),
    "process_virtual_memory_bytes": ("Memory mapped.", "livesum"),
    "process_open_fds": ("Open files and connections.", "livesum"),
    "process_max_fds": ("The most there may be.", "livesum"),
    "process_start_time_seconds": ("When the oldest process started.", "livemin"),
}
_CPU = "process_cpu_seconds_total"


class ProcessMetrics:
    """The loop's and the collector's delays, of all processes together."""

    def __init__(self, new: Families) -> None:
        self.loop_lag = new.seconds("sluice_event_loop_lag", "How late the event loop comes to what is due.")
        self.gc_pauses = new.count("sluice_gc_pause_seconds", "Time spent in Python's garbage collector.")


class SharedProcess:
    """What prometheus_client tells of this process, for the sum over several; it tells of one only by itself."""

    def __init__(self, new: Families) -> None:
        self._read = ProcessCollector(registry=None).collect
        self._levels = {name: new.level(name, *about) for name, about in _LEVELS.items()}
        self._cpu = new.count("process_cpu_seconds", "CPU time, user and system.")
        self._cpu_told = 0.0

    def sample(self) -> None:
        """Write it down as it is now."""
        found = {sample.name: sample.value for family in self._read() for sample in family.samples}
        for name, level in self._levels.items():
            if name in found:
                level.set(found[name])
        used = found.get(_CPU, self._cpu_told)
        self._cpu.inc(used - self._cpu_told)
        self._cpu_told = used


def collect_process(registry: CollectorRegistry) -> None:
    """prometheus_client's own figures of this process."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
