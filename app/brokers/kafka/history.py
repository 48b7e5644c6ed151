"""What was fetched within the last second, for who reads on and for who reads the same.

Brokers answer with whole record batches, up to a megabyte for a page of a hundred records: what is left of an answer is
the next page. A record that was committed never changes, but it may be deleted, compacted away, or lost by an unclean
election, and a topic may be made anew: so nothing is kept for longer than a deletion may go unnoticed anyway.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from app.brokers.kafka.pages import Page
from app.brokers.kafka.stretch import KeptPage, Part, Piece, Stretch
from app.record import Limit, Position

KEPT_SECONDS = 1.0
KEPT_BYTES = 4 << 20
"""Of memory, for all partitions together."""

_first = attrgetter("first")


class _Kept(NamedTuple):
    partition: tuple[str, int]
    stretch: Stretch


class History:
    """Stretches by partition. The oldest goes first: when its time has come, or when there is no room for it."""

    def __init__(self, *, most_bytes: int = KEPT_BYTES, seconds: float = KEPT_SECONDS) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._kept: deque[_Kept] = deque()
        self._by_partition: dict[tuple[str, int], list[Stretch]] = {}
        """Each in the order of their first offsets."""
        self._weights: dict[Stretch, int] = {}
        self.weight = 0
        """About how many bytes of memory all of them take."""

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, stretch: Stretch) -> bool:
        return stretch in self._weights

    def at(self, position: Position) -> Stretch | None:
        """The one that tells what stands at this position."""
        self._drop_old()
        known = self._by_partition.get(position[:2], [])
        place = bisect_right(known, position.offset, key=_first)
        return known[place - 1] if place and known[place - 1].covers(position.offset) else None

    def keep(self, at: Position, piece: Piece) -> Stretch:
        """What was just fetched at this position. Of many who fetched it at once, one answer is kept."""
        stretch = Stretch(at, piece)
        known = self._by_partition.get(at[:2], [])
        place = bisect_right(known, at.offset, key=_first)
        twin = known[place - 1] if place and known[place - 1].first == at.offset else None
        if piece.data and (twin is None or twin.length < stretch.length):
            loop = asyncio.get_running_loop()
            self._by_partition[at[:2]] = known
            known.insert(place, stretch)
            stretch.until = loop.time() + self._seconds
            self._kept.append(_Kept(at[:2], stretch))
            self._weights[stretch] = 0
            self._weigh(stretch)
            loop.call_later(self._seconds, self._drop_old)  # else the last one stayed until somebody polls again
        return stretch

    def read(self, page: Page, stretch: Stretch, offset: int) -> int:
        """As `Stretch.read`."""
        try:
            return stretch.read(page, offset)
        finally:
            stretch.pause()
            self._weigh(stretch)

    def page(self, position: Position, limit: Limit) -> KeptPage | None:
        """What another reader got from here with the same limit."""
        stretch = self.at(position)
        page = stretch.page(position.offset, limit) if stretch is not None else None
        if stretch is not None and page is not None and not page.wanted:
            page.wanted = True
            self._weigh(stretch)
        return page

    def keep_page(self, limit: Limit, parts: Sequence[Part], next_offset: int, size: int) -> None:
        """Of a full page of `size` bytes. It goes with the first of its parts, so that this has to be the oldest."""
        stretch, offset, _ = parts[0]
        if stretch in self and all(part.stretch.until >= stretch.until for part in parts):
            stretch.keep(offset, limit, KeptPage(parts, next_offset, size))
            self._weigh(stretch)

    def forget(self, topic: str, partition: int | None = None) -> None:
        """The partition, or all of the topic's, may hold other records now."""
        for kept in list(self._kept):
            if kept.partition[0] == topic and partition in (None, kept.partition[1]):
                self._kept.remove(kept)
                self._let_go(kept)

    def clear(self) -> None:
        while self._kept:
            self._let_go(self._kept.popleft())

    def _weigh(self, stretch: Stretch) -> None:
        if stretch in self:  # else it had to go while somebody read it
            weight = stretch.weight
            self.weight += weight - self._weights[stretch]
            self._weights[stretch] = weight
            while self.weight > self._most_bytes:
                self._let_go(self._kept.popleft())

    def _drop_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._kept and self._kept[0].stretch.until <= now:
            self._let_go(self._kept.popleft())

    def _let_go(self, kept: _Kept) -> None:
        self.weight -= self._weights.pop(kept.stretch)
        kept.stretch.close()
        known = self._by_partition[kept.partition]
        known.remove(kept.stretch)
        if not known:
            del self._by_partition[kept.partition]
