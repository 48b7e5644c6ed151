"""Metrics that several processes add to: prometheus_client's multiprocess mode, on files in a folder of ours.

https://prometheus.github.io/client_python/multiprocess/. A process joins when it is started, before prometheus_client
is imported there; what a dead one counted stays in the sum, so that counters never go back.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[Path]:
    """A folder that all processes share which are started from this one meanwhile: their metrics, and their limits."""
    with tempfile.TemporaryDirectory(prefix="sluice-metrics-") as folder:
        os.environ[_VARIABLE] = folder  # the only way to tell prometheus_client
        try:
            yield Path(folder)
        finally:
            del os.environ[_VARIABLE]


def forget_process(pid: int, folder: Path) -> None:
    """The process is gone: its gauges go with it."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
