"""Which event ids a topic took lately, and where they stand: the memory behind `duplicate=True`.

Kept in the process and rebuilt from the log itself, whose records carry their ids: the window can't disagree with it.
"""

from collections import OrderedDict
from collections.abc import Mapping

from app.record import Written

_OFFSET_BITS = 63
_PARTITION_BITS = 10
_PLACE_BITS = _OFFSET_BITS + _PARTITION_BITS


class DedupeWindow:
    """The ids written within the last `window_ms` milliseconds, at most the last `max_ids`. About 230 bytes an id.

    Not thread-safe: its owner is the one that writes the log. `window_ms=0` remembers nothing.
    """

    def __init__(self, window_ms: int, max_ids: int) -> None:
        self._window_ms = window_ms
        self._max_ids = max_ids
        # In order of writing; a plain dict finds its oldest entry only by walking over those deleted before it.
        self._places: OrderedDict[str, int] = OrderedDict()

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

    def add(self, written: Mapping[str, Written]) -> None:
        """Remember ids that were just written, in this order; forgets what has left the window."""
        if not self._window_ms or not written:
            return
        places = self._places
        for event_id, at in written.items():
            places[event_id] = at.timestamp_ms << _PLACE_BITS | at.partition << _OFFSET_BITS | at.offset
            places.move_to_end(event_id)
        self._forget_before(at.timestamp_ms - self._window_ms)

    def _forget_before(self, timestamp_ms: int) -> None:
        places = self._places
        for _ in range(len(places) - self._max_ids):
            places.popitem(last=False)
        while places and next(iter(places.values())) >> _PLACE_BITS <= timestamp_ms:
            places.popitem(last=False)
