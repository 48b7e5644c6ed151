"""Which event ids a topic took lately, and where they stand: the memory behind `duplicate=True`.

Kept in the process and rebuilt from the log itself, whose records carry their ids: the window can't disagree with it.
"""

from array import array
from collections import deque
from collections.abc import Set as AbstractSet
from itertools import islice, takewhile
from operator import attrgetter

from app.record import Written

PAGE = 2048
"""Ids whose memory is given back together."""

_PARTITION, _OFFSET, _TIME = map(attrgetter, ("partition", "offset", "timestamp_ms"))


class DedupeWindow:
    """The ids written within the last `window_ms` milliseconds, at most the last `max_ids`.

    About 170 bytes an id; 220 of those that are no older than the oldest that was repeated.

    Not thread-safe: its owner is the one that writes the log. `window_ms=0` remembers nothing.
    """

    def __init__(self, window_ms: int, max_ids: int) -> None:
        self._window_ms = window_ms
        self._max_ids = max_ids
        self._ids: set[str] = set()
        self.ids: AbstractSet[str] = self._ids
        """Those that stand here, be they outside of the window until others come; whoever has it sees it change."""
        self._pages = deque([_Page()])

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, event_id: str, now_ms: int) -> Written | None:
        """Where the id stands, as a duplicate, if it was written within the window."""
        if event_id not in self._ids:
            return None
        for page in reversed(self._pages):
            if (found := page.find(event_id)) is not None:
                return found if found.timestamp_ms > now_ms - self._window_ms else None
        return None

    def add(self, written: dict[str, Written]) -> None:
        """Remember ids that were just written, in this order; forgets what has left the window."""
        if not self._window_ms or not written:
            return
        self._forget(next(reversed(written.values())).timestamp_ms - self._window_ms)
        count = len(self._ids) + len(written)
        self._ids.update(written)
        if len(self._ids) < count:  # one is here still: the clock was set back
            for page in self._pages:
                page.drop(written)
        places = iter(written.items())
        while some := dict(islice(places, PAGE)):
            if len(self._pages[-1].ids) >= PAGE:
                self._pages.append(_Page())
            self._pages[-1].add(some)
        self._forget()

    def _forget(self, timestamp_ms: int = 0) -> None:
        """Those that are too many, from the oldest on, and those behind them that are no younger than that."""
        ids = self._ids
        while gone := self._oldest().leave(len(ids) - self._max_ids, timestamp_ms):
            ids.difference_update(gone)

    def _oldest(self) -> "_Page":
        while self._pages[0].over and len(self._pages) > 1:
            self._pages.popleft()
        return self._pages[0]


class _Page:
    """Ids in the order of writing, and where they stand, column by column: an object for each would take twice that."""

    __slots__ = ("_indexed", "_left", "_numbers", "_offsets", "_partitions", "_times", "ids")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._partitions, self._offsets, self._times = array("i"), array("q"), array("q")
        self._numbers: dict[str, int] = {}
        self._indexed = 0
        self._left = 0
        """How many have left, from the first on."""

    @property
    def over(self) -> bool:
        return self._left == len(self.ids)

    def add(self, written: dict[str, Written]) -> None:
        places = written.values()
        self.ids.extend(written)
        self._partitions.extend(map(_PARTITION, places))
        self._offsets.extend(map(_OFFSET, places))
        self._times.extend(map(_TIME, places))

    def find(self, event_id: str) -> Written | None:
        """As a duplicate. Made ready when it is asked for: repeats are rare, and mostly of what came last."""
        if self._indexed < len(self.ids):
            self._numbers.update(zip(self.ids[self._indexed :], range(self._indexed, len(self.ids)), strict=True))
            self._indexed = len(self.ids)
        number = self._numbers.get(event_id)
        if number is None:
            return None
        return Written(self._partitions[number], self._offsets[number], self._times[number], duplicate=True)

    def leave(self, most: int, timestamp_ms: int) -> list[str]:
        """Let the next ones go: so many, and those behind them up to one that is younger than that."""
        first = self._left
        last = min(first + max(0, most), len(self.ids))
        if last < len(self.ids) and self._times[last] <= timestamp_ms:
            last += len(list(takewhile(timestamp_ms.__ge__, self._times[last:])))
        self._left = last
        return self.ids[first:last]

    def drop(self, event_ids: dict[str, Written]) -> None:
        """These are written anew, elsewhere."""
        if not event_ids.keys().isdisjoint(self.ids):
            self.ids = ["" if event_id in event_ids else event_id for event_id in self.ids]
            self._numbers, self._indexed = {}, 0
