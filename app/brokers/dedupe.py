"""Which event ids a topic took lately, and where they stand: the memory behind `duplicate=True`.

Kept in the process and rebuilt from the log itself, whose records carry their ids: the window can't disagree with it.
"""

from array import array
from collections import deque
from collections.abc import Set as AbstractSet
from operator import attrgetter

from app.record import Written

PAGE = 2048
"""Ids that are forgotten together; by twice as many the window may hold more than it answers for."""

_PARTITION, _OFFSET, _TIME = map(attrgetter, ("partition", "offset", "timestamp_ms"))


class DedupeWindow:
    """The ids written within the last `window_ms` milliseconds, at most the last `max_ids`. About 170 bytes an id.

    Not thread-safe: its owner is the one that writes the log. `window_ms=0` remembers nothing.
    """

    def __init__(self, window_ms: int, max_ids: int) -> None:
        self._window_ms = window_ms
        self._max_ids = max_ids
        self._ids: set[str] = set()
        self.ids: AbstractSet[str] = self._ids
        """Those that may stand here, be they outside of the window by now; whoever has it sees it change."""
        self._pages = deque([_Page()])

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, event_id: str, now_ms: int) -> Written | None:
        """Where the id stands, as a duplicate, if it was written within the window."""
        if event_id not in self._ids:
            return None
        left = self._max_ids
        for page in reversed(self._pages):
            number = page.find(event_id)
            left -= len(page.ids)
            if number is not None:
                found = page.at(number)
                return found if left + number >= 0 and found.timestamp_ms > now_ms - self._window_ms else None
        return None

    def add(self, written: dict[str, Written]) -> None:
        """Remember ids that were just written, in this order; forgets what has left the window."""
        if not self._window_ms or not written:
            return
        count = len(self._ids) + len(written)
        self._ids.update(written)
        if len(self._ids) < count:  # one was outside of the window, and still here
            for page in self._pages:
                page.drop(written)
        if len(self._pages[-1].ids) >= PAGE:
            self._pages.append(_Page())
            self._forget(next(reversed(written.values())).timestamp_ms - self._window_ms)
        self._pages[-1].add(written)

    def _forget(self, timestamp_ms: int) -> None:
        """Whole pages, from the oldest on, that are no younger than that or too many."""
        pages = self._pages
        while len(pages) > 1 and (
            len(self._ids) - len(pages[0].ids) >= self._max_ids or pages[0].is_as_old_as(timestamp_ms)
        ):
            self._ids.difference_update(pages.popleft().ids)


class _Page:
    """Ids in the order of writing, and where they stand, column by column: an object for each would take twice that."""

    __slots__ = ("_indexed", "_numbers", "_offsets", "_partitions", "_times", "ids")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._partitions, self._offsets, self._times = array("i"), array("q"), array("q")
        self._numbers: dict[str, int] = {}
        self._indexed = 0

    def add(self, written: dict[str, Written]) -> None:
        places = written.values()
        self.ids.extend(written)
        self._partitions.extend(map(_PARTITION, places))
        self._offsets.extend(map(_OFFSET, places))
        self._times.extend(map(_TIME, places))

    def find(self, event_id: str) -> int | None:
        """Its number here. Made ready when it is asked for: repeats are rare, and mostly of what came last."""
        if self._indexed < len(self.ids):
            self._numbers.update(zip(self.ids[self._indexed :], range(self._indexed, len(self.ids)), strict=True))
            self._indexed = len(self.ids)
        return self._numbers.get(event_id)

    def at(self, number: int) -> Written:
        return Written(self._partitions[number], self._offsets[number], self._times[number], duplicate=True)

    def drop(self, event_ids: dict[str, Written]) -> None:
        """These are written anew, elsewhere."""
        if not event_ids.keys().isdisjoint(self.ids):
            self.ids = ["" if event_id in event_ids else event_id for event_id in self.ids]
            self._numbers, self._indexed = {}, 0

    def is_as_old_as(self, timestamp_ms: int) -> bool:
        """Whether none of these is younger."""
        return self._times[-1] <= timestamp_ms and max(self._times) <= timestamp_ms
