"""Histograms of one process, at a quarter of the cost of prometheus_client's: every request has two or three."""

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf
from typing import Protocol

from prometheus_client.core import Exemplar, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Observed(Protocol):
    """One series of a histogram, told of by one thread."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None: ...


class _Kept:
    """Whoever looks meanwhile may see a count without its sum."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        place = bisect_left(self._bounds, amount)
        self._counts[place] += 1
        self._sum += amount
        if exemplar:
            self._exemplars[place] = Exemplar(exemplar, amount, time.time())

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
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

    def collect(self) -> Iterable[Metric]:
        name, meaning = self._about
        family = HistogramMetricFamily(name, meaning, labels=self._labels)
        for labels, kept in list(self._made.items()):
            kept.add_to(family, labels)
        return (family,)
