"""What the gateway sees of the log, read beside the requests: the same from every process, so that none adds to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from shutil import disk_usage
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

MOST_LAGS = 2000
"""Partitions of consumers with a series of their own: those with the largest lag."""


class Lag(NamedTuple):
    """How many records a consumer group has still to read of a partition."""

    group: str
    stream: str
    topic: str
    partition: int
    records: int


class Contents(Protocol):
    """What is on the log: counts, and `size_bytes` as the broker tells it."""

    @property
    def streams(self) -> int: ...
    @property
    def topics(self) -> int: ...
    @property
    def messages(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...


class Reading(Protocol):
    """The contents as they were read `age` seconds ago; both None before the first time."""

    @property
    def totals(self) -> Contents | None: ...
    @property
    def age(self) -> float | None: ...


class SeenMetrics:
    """Shows what it is told of. Ages are in seconds; what was never read has no figures."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._lags: Sequence[Lag] = ()
        self._left_out = 0
        self._broker = ""
        self._read: Callable[[], Reading] | None = None
        self._databases: Mapping[str, Path] = {}

    def log_is(self, broker: str, read: Callable[[], Reading]) -> None:
        """Which broker it is, and who knows what is on it."""
        self._broker, self._read = broker, read

    def databases_are(self, paths: Mapping[str, Path]) -> None:
        """Our own files on disk, by what they hold."""
        self._databases = paths

    def lags_are(self, lags: Sequence[Lag]) -> None:
        """Of every partition that a consumer has committed."""
        largest = sorted(lags, key=lambda lag: -lag.records)
        self._lags = largest[:MOST_LAGS]
        self._left_out = len(largest) - len(self._lags)

    def register(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("sluice_build", "1, with what runs here.", labels=("version", "broker"))
        build.add_metric((self._version, self._broker), 1)
        return (build, *self._lag(), *self._contents(), *self._storage())

    def _lag(self) -> Iterable[Metric]:
        lag = GaugeMetricFamily(
            "sluice_consumer_lag", "Records still to be read.", labels=("group", "stream", "topic", "partition")
        )
        for group, stream, topic, partition, records in self._lags:
            lag.add_metric((group, stream, topic, str(partition)), records)
        left_out = GaugeMetricFamily("sluice_consumer_lags_left_out", "Lags without a series: the smallest ones.")
        left_out.add_metric((), self._left_out)
        return lag, left_out

    def _contents(self) -> Iterable[Metric]:
        reading = self._read() if self._read else None
        contents, age = (reading.totals, reading.age) if reading else (None, None)
        shown = (
            ("sluice_streams", "Streams on the log.", contents and contents.streams),
            ("sluice_topics", "Topics on the log, internal ones left out.", contents and contents.topics),
            ("sluice_log_messages", "Messages on the log.", contents and contents.messages),
            ("sluice_log_bytes", "Bytes on the log, as its broker tells it.", contents and contents.size_bytes),
            ("sluice_stats_age_seconds", "For how long these have not been read.", age),
        )
        return [_single(*each) for each in shown]

    def _storage(self) -> Iterable[Metric]:
        files = GaugeMetricFamily("sluice_file_bytes", "Our own files on disk, by what they hold.", labels=("holds",))
        free = GaugeMetricFamily("sluice_disk_free_bytes", "Free where those files are.", labels=("holds",))
        size = GaugeMetricFamily("sluice_disk_size_bytes", "Size of the disk where they are.", labels=("holds",))
        for holds, path in self._databases.items():
            files.add_metric((holds,), bytes_of(path))
            disk = disk_usage(path.parent)
            free.add_metric((holds,), disk.free)
            size.add_metric((holds,), disk.total)
        return files, free, size


def bytes_of(database: Path) -> int:
    """Of a SQLite file with those that stand beside it while it is open."""
    return sum(_size(Path(f"{database}{suffix}")) for suffix in ("", "-wal", "-shm"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _single(name: str, meaning: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(name, meaning)
    if value is not None:
        family.add_metric((), value)
    return family
