"""Which event ids a topic took lately, and where they stand: the memory behind `duplicate=True`.

Kept in the process and rebuilt from the log itself, whose records carry their ids: the window can't disagree with it.
"""

from collections import deque
from collections.abc import Set as AbstractSet

from app.record import Written

_OFFSET_BITS = 53
_PARTITION_BITS = 20
_PLACE_BITS = _OFFSET_BITS + _PARTITION_BITS


class DedupeWindow:
    """The ids written within the last `window_ms` milliseconds, at most the last `max_ids`. About 220 bytes an id.

    Not thread-safe: its owner is the one that writes the log. `window_ms=0` remembers nothing.
    """

    def __init__(self, window_ms: int, max_ids: int) -> None:
        self._window_ms = window_ms
        self._max_ids = max_ids
        self._places: dict[str, int] = {}
        self.ids: AbstractSet[str] = self._places.keys()
        """Those that may stand here, be they outside of the window by now; whoever has it sees it change."""
        # The order of writing. A dict finds its oldest entry only by walking over those deleted before it, and an
        # OrderedDict takes 80 bytes more for each.
        self._order: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def find(self, event_id: str, now_ms: int) -> Written | None:
        """Where the id stands, as a duplicate, if it was written within the window."""
        packed = self._places.get(event_id)
        if packed is None:
            return None
        timestamp_ms = packed >> _PLACE_BITS
        if timestamp_ms <= now_ms - self._window_ms:
            return None
        partition = (packed >> _OFFSET_BITS) & ((1 << _PARTITION_BITS) - 1)
        return Written(partition, packed & ((1 << _OFFSET_BITS) - 1), timestamp_ms, duplicate=True)

    def add(self, written: dict[str, Written]) -> None:
        """Remember ids that were just written, in this order; forgets what has left the window."""
        if not self._window_ms or not written:
            return
        newest_ms = next(reversed(written.values())).timestamp_ms
        self._forget(self._expired(newest_ms - self._window_ms))
        count = len(self._places) + len(written)
        self._places.update(
            {
                event_id: at.timestamp_ms << _PLACE_BITS | at.partition << _OFFSET_BITS | at.offset
                for event_id, at in written.items()
            }
        )
        if len(self._places) < count:  # one was expired, and still here: the clock was set back
            self._order = deque(event_id for event_id in self._order if event_id not in written)
        self._order.extend(written)
        self._forget(len(self._order) - self._max_ids)

    def _expired(self, timestamp_ms: int) -> int:
        """How many, from the oldest on, are no younger than that."""
        count = 0
        for event_id in self._order:
            if self._places[event_id] >> _PLACE_BITS > timestamp_ms:
                break
            count += 1
        return count

    def _forget(self, count: int) -> None:
        for _ in range(count):
            del self._places[self._order.popleft()]
