"""Histograms of one process: to observe is to append to a list, which is counted when somebody looks, and each second.

Every request has three or four; prometheus_client's take thirty times as long.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from math import inf
from threading import Lock
from typing import Protocol

from prometheus_client import Histogram
from prometheus_client.core import Exemplar, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Observed(Protocol):
    """One series of a histogram, told of in any thread."""

    @property
    def observe(self) -> Callable[[float], None]: ...

    def lend(self, amount: float, exemplar: dict[str, str]) -> None:
        """Show where this amount, which was observed, comes from; in its bucket, until the next one there."""


class Shared:
    """Of several processes: prometheus_client's files, which hold no exemplars."""

    def __init__(self, series: Histogram) -> None:
        self.observe: Callable[[float], None] = series.observe

    def lend(self, amount: float, exemplar: dict[str, str]) -> None:
        """Nobody could be shown it."""


class _Kept:
    """Whoever looks meanwhile may see a count without its sum."""

    __slots__ = ("_bounds", "_counting", "_counts", "_exemplars", "_new", "_sum", "observe")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0
        self._counting = Lock()
        self._new: list[float] = []
        self.observe: Callable[[float], None] = self._new.append

    def lend(self, amount: float, exemplar: dict[str, str]) -> None:
        self._exemplars[bisect_left(self._bounds, amount)] = Exemplar(exemplar, amount, time.time())

    def count(self) -> None:
        """Count what is new, in any thread, while others observe."""
        new = self._new
        if not new:
            return
        with self._counting:
            taken = new[:]
            del new[: len(taken)]
            self._sum = sum(taken, self._sum)
            taken.sort()
            upto = [0, *(bisect_right(taken, bound) for bound in self._bounds), len(taken)]
            for place, (before, after) in enumerate(pairwise(upto)):
                self._counts[place] += after - before

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        self.count()
        names = map(floatToGoString, (*self._bounds, inf))
        buckets = [
            (name, count) if exemplar is None else (name, count, exemplar)
            for name, count, exemplar in zip(names, accumulate(self._counts), self._exemplars, strict=True)
        ]
        family.add_metric(labels, buckets, self._sum)


class KeptHistogram:
    """A collector for a registry. `bounds` are the buckets' upper ones, without infinity."""

    def __init__(self, name: str, meaning: str, bounds: Sequence[float], labels: Sequence[str]) -> None:
        self._about = (name, meaning)
        self._bounds = bounds
        self._labels = labels
        self._made: dict[tuple[str, ...], _Kept] = {}

    def of(self, *labels: object) -> Observed:
        """The series with these labels, which is there from now on."""
        return self._made.setdefault(tuple(map(str, labels)), _Kept(self._bounds))

    def count(self) -> None:
        """To be called now and then: what was observed since takes memory."""
        for kept in list(self._made.values()):
            kept.count()

    def collect(self) -> Iterable[Metric]:
        name, meaning = self._about
        family = HistogramMetricFamily(name, meaning, labels=self._labels)
        for labels, kept in list(self._made.items()):
            kept.add_to(family, labels)
        return (family,)
