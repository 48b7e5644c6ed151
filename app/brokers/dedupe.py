"""Which event ids a topic took lately, and where they stand: the memory behind `duplicate=True`.

Kept in the process and rebuilt from the log itself, whose records carry their ids: the window can't disagree with it.
"""

from collections import OrderedDict

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

    def add(self, event_id: str, written: Written) -> None:
        """Remember an id that was just written; forgets what has left the window."""
        if not self._window_ms:
            return
        self._places.pop(event_id, None)
        self._places[event_id] = (
            written.timestamp_ms << _PLACE_BITS | written.partition << _OFFSET_BITS | written.offset
        )
        self._forget_before(written.timestamp_ms - self._window_ms)

    def _forget_before(self, timestamp_ms: int) -> None:
        while self._places:
            oldest = next(iter(self._places))
            if len(self._places) <= self._max_ids and self._places[oldest] >> _PLACE_BITS > timestamp_ms:
                return
            del self._places[oldest]
