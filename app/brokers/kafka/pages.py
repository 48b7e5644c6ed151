"""A page: records within a limit."""

from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, Protocol

from app.brokers.kafka.errors import poll_failed
from app.record import Columns, Limit, Record, Show

AT_ONCE = 64
"""Records that are decoded and shown before the next ones: what they take stays in the processor's cache."""

_COLUMNS = tuple(map(attrgetter, ("offset", "timestamp", "key", "value", "headers")))


class Source(Protocol):
    """Decodes records in the order of their offsets."""

    def some(self, most: int) -> list[Any]:
        """The next ones, at most so many, as aiokafka has them; none at the end. Raises whatever decoding raises."""
        ...

    def put_back(self, records: Sequence[Any]) -> None:
        """They are to come next again."""
        ...


class Page:
    """Grows until it is full: the broker counts encoded bytes, a limit counts those of the values."""

    def __init__(self, limit: Limit, show: Show | None = None) -> None:
        self.records: list[Record] = []
        """None of them is kept where they are shown."""
        self.shown: list[bytes] = []
        self.count = 0
        self.size = 0
        """Bytes of all values."""
        self.full = False
        self._limit = limit
        self._show = show

    def take(self, source: Source, next_offset: int) -> int:
        """Take records from `next_offset` on until the page is full; answers where to go on behind the last one taken.

        The first fits, whatever its size. Raises PollFailed when it can't be decoded; a later one only ends the page.
        """
        while not self.full:
            try:
                found = source.some(min(AT_ONCE, self._limit.count - self.count))
            except Exception as error:  # whatever a broken batch makes of a decoder
                if not self.count:
                    raise poll_failed(error) from error
                self.full = True
                break
            if not found:
                break
            next_offset = self._add(self._fitting(found, source), next_offset)
        return next_offset

    def _fitting(self, found: list[Any], source: Source) -> Columns:
        some = Columns(*[list(map(column, found)) for column in _COLUMNS])
        sizes = list(map(len, filter(None, some.values)))
        if self.size + sum(sizes) <= self._limit.max_bytes:
            self.size += sum(sizes)
            return some
        self.full = True
        ends = list(accumulate([len(value or b"") for value in some.values], initial=self.size))[1:]
        fits = max(sum([end <= self._limit.max_bytes for end in ends]), 0 if self.count else 1)
        source.put_back(found[fits:])
        self.size = ends[fits - 1] if fits else self.size
        return some.first(fits)

    def _add(self, some: Columns, next_offset: int) -> int:
        if not some.offsets:
            return next_offset
        if self._show is None:
            self.records += some.records()
        else:
            self.shown.append(self._show(some))
        self.count += len(some.offsets)
        self.full = self.full or self.count >= self._limit.count
        return some.offsets[-1] + 1
