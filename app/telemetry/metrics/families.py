"""How metrics are made: on one registry, with labels of known names only, and of no more than so many."""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Literal, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric

from app.telemetry.metrics.histograms import KeptHistogram, Observed, Shared

UNKNOWN = "_unknown"
"""In place of whatever a client made up."""

OTHER = "_other"
"""In place of the names past those that have series of their own."""

LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)

Combined = Literal["livesum", "livemin", "livemax"]
"""How a gauge of several processes becomes one figure."""

K = TypeVar("K")
V = TypeVar("V")


class Tally(Protocol):
    """A counter for what happens at every request, by the event loop alone: add to its total, without a call."""

    total: int


class _Kept:
    """At a tenth of the cost of prometheus_client's counter, to which it is added when somebody looks.

    The loop's thread alone changes the total, whoever looks alone what is written down of it.
    """

    __slots__ = ("_counter", "_written", "total")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._written = 0
        self.total = 0

    def write_down(self) -> None:
        total = self.total
        if total > self._written:
            self._counter.inc(total - self._written)
            self._written = total


class _Shared:
    """Written down at once: this process may be killed, and the others go on to tell what it counted."""

    __slots__ = ("_counter", "_total")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        if total > self._total:
            self._counter.inc(total - self._total)
            self._total = total


class Families:
    """Metrics on one registry; `shared` with other processes."""

    def __init__(self, registry: CollectorRegistry, *, shared: bool) -> None:
        self._registry = registry
        self._shared = shared
        self._kept: list[_Kept] = []
        self._histograms: list[KeptHistogram] = []
        self._looking = Lock()
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Called first of all when the registry is read, in any thread."""
        with self._looking:
            for tally in self._kept:
                tally.write_down()
        return ()

    def count_histograms(self) -> None:
        """What was observed since the last time, which takes memory until then."""
        for histogram in self._histograms:
            histogram.count()

    def tally(self, counter: Counter) -> Tally:
        """For one series, which is there from now on."""
        if self._shared:
            return _Shared(counter)
        made = _Kept(counter)
        self._kept.append(made)
        return made

    def count(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def level(self, name: str, meaning: str, combined: Combined, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self._registry, multiprocess_mode=combined)

    def seconds(self, name: str, meaning: str) -> Observed:
        return self._histogram(f"{name}_seconds", meaning, LATENCY)()

    def seconds_by(self, name: str, meaning: str, *labels: str) -> Callable[..., Observed]:
        """The series by its labels."""
        return self._histogram(f"{name}_seconds", meaning, LATENCY, *labels)

    def sizes(self, name: str, meaning: str) -> Observed:
        return self._histogram(name, meaning, SIZES)()

    def _histogram(self, name: str, meaning: str, bounds: Sequence[float], *labels: str) -> Callable[..., Observed]:
        if self._shared:
            shared = Histogram(name, meaning, labels, buckets=bounds, registry=self._registry)
            return lambda *values: Shared(shared.labels(*values) if values else shared)
        kept = KeptHistogram(name, meaning, bounds, labels)
        self._histograms.append(kept)
        self._registry.register(kept)
        return kept.of


class Bounded(dict[K, V]):
    """What `make` makes for labels, each once; those past the first `most` share what there is for `others`."""

    def __init__(self, make: Callable[[K], V], most: int, others: K) -> None:
        super().__init__()
        self._make = make
        self._most = most
        self._others = others

    def __missing__(self, labels: K) -> V:
        if len(self) >= self._most and labels != self._others:
            return self[self._others]
        made = self[labels] = self._make(labels)
        return made
