"""What one fetch brought of a partition, decoded only as far as somebody reads it."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile, islice
from typing import Any, NamedTuple, overload

from app.brokers.kafka.internals import CommittedRecords
from app.brokers.kafka.pages import Page
from app.record import Limit, Position, Record, Shared, Show

AHEAD_BYTES = 1 << 20
"""So much of a compressed answer is decoded ahead; none is kept half read, for nobody knows how large it is inside."""

_RECORD, _TEXT, _PAGE = 1024, 256, 512
"""About how many bytes of memory these take: a record and what is shown of one, without the value; a page itself."""


class Piece(NamedTuple):
    """One partition of a fetch answer, not yet decoded."""

    high_watermark: int
    log_start: int
    aborted: list[tuple[int, int]]
    data: bytes


def unpack(answer: Any) -> tuple[int, Piece | None]:
    """Error code, or the one partition asked for. Kafka from 0.11 on answers with version 5 or later."""
    if getattr(answer, "error_code", 0):
        return answer.error_code, None
    _, code, _, stable, log_start, aborted, *_, data = answer.topics[0][1][0]
    return code, None if code else Piece(stable, log_start, aborted or [], data or b"")


class Decoding:
    """Records of one answer from an offset on, once; `source` knows what was left out on the way."""

    def __init__(self, at: Position, piece: Piece) -> None:
        self.source = CommittedRecords(at, piece.data, piece.aborted)
        self.weight = 0
        """About how many bytes of memory it takes, the answer itself left out."""
        self._records: Iterator[Any] = dropwhile(
            lambda found: found.offset < at.offset, chain.from_iterable(self.source.batches())
        )
        self._failure: Exception | None = None

    def some(self, most: int) -> list[Any]:
        """As `pages.Source`."""
        failure, self._failure = self._failure, None  # else it held this, by its traceback, as this held it
        if failure is not None:
            raise failure
        found: list[Any] = []
        try:
            found.extend(islice(self._records, most))  # those before a broken one are in it
        except Exception as error:
            if not found:
                raise
            self._failure = error
        return found

    def put_back(self, records: Sequence[Any]) -> None:
        """As `pages.Source`."""
        self._records = chain(records, self._records)

    def pause(self) -> None:
        """Nobody goes on at once. What is in a compressed answer is decoded by now, or given up."""
        if self.source.compressed and not self.weight:
            ahead, size = [], 0
            with contextlib.suppress(Exception):  # a broken batch; who comes to it asks the broker again
                for record in self._records:
                    ahead.append(record)
                    size += _RECORD + len(record.value or b"")
                    if size > AHEAD_BYTES:
                        break
            self._records, self.weight = iter(ahead), size


class Stretch:
    """What a fetch at `first` brought. `next_offset` is behind what has been read of it so far."""

    __slots__ = ("_at", "_pages", "_piece", "_rest", "end", "first", "next_offset", "until")

    def __init__(self, at: Position, piece: Piece) -> None:
        self.first = self.next_offset = at.offset
        self.end = piece.high_watermark
        """Where the log ended, as it was seen last."""
        self.until = 0.0
        """How long it is kept, by the loop's clock; 0: not at all."""
        self._at = at
        self._piece = piece
        self._rest: Decoding | None = Decoding(at, piece)
        """None when there is nothing left to be read."""
        self._pages: dict[tuple[int, Limit], KeptPage] = {}

    def covers(self, offset: int) -> bool:
        """Whether it tells what stands at the offset."""
        return self.first <= offset < self.next_offset or (offset == self.next_offset and self._rest is not None)

    @property
    def length(self) -> int:
        """Bytes of the answer."""
        return len(self._piece.data)

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        rest = self._rest.weight if self._rest is not None else 0
        return _PAGE + self.length + rest + sum([page.weight for page in self._pages.values()])

    def read(self, page: Page, offset: int) -> int:
        """Fill the page from `offset` on, which this covers; answers where to go on, behind what readers are not shown.

        Raises PollFailed when the very first record of the page can't be decoded; a later one only ends the page.
        """
        rest = self._rest if offset == self.next_offset and self._rest is not None else self._decoding(offset)
        next_offset = page.take(rest, offset)
        if not page.full:
            next_offset = max(next_offset, int(rest.source.next_fetch_offset))
        if next_offset >= self.next_offset:
            self.next_offset, self._rest = next_offset, rest if page.full else None
        return next_offset

    def pause(self) -> None:
        """As `Decoding.pause`."""
        if self._rest is not None:
            self._rest.pause()

    def reread(self, page: Page, offset: int) -> None:
        """Fill the page from `offset` on with what was decoded already, once more."""
        page.take(self._decoding(offset), offset)

    def page(self, offset: int, limit: Limit) -> "KeptPage | None":
        """What was found for who read from here with the same limit."""
        return self._pages.get((offset, limit))

    def keep(self, offset: int, limit: Limit, page: "KeptPage") -> None:
        self._pages[offset, limit] = page

    def close(self) -> None:
        """Nobody will come any more. Its pages point back here: together they would wait for the garbage collector."""
        self._pages.clear()
        self._rest = None

    def _decoding(self, offset: int) -> Decoding:
        return Decoding(self._at._replace(offset=offset), self._piece)


class Part(NamedTuple):
    """So many records of a stretch as were taken from an offset on."""

    stretch: Stretch
    offset: int
    taken: int


class KeptPage(Shared, Sequence[Record]):
    """A page that was read already. Its records are decoded anew, by who needs them."""

    __slots__ = ("_count", "_parts", "next_offset", "wanted")

    def __init__(
        self, parts: Sequence[Part], next_offset: int, size: int, shown: Sequence[bytes] | None = None
    ) -> None:
        super().__init__(size, shown)
        self._parts = parts
        self._count = sum([part.taken for part in parts])
        self.next_offset = next_offset
        self.wanted = False
        """Whether somebody came who wants the same."""

    @property
    def last(self) -> Stretch:
        """The one in which it ends."""
        return self._parts[-1].stretch

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _PAGE + (self.size + _TEXT * self._count if self.wanted else 0)

    def show(self, show: Show) -> None:
        """Make what clients see of it, for all who read the same."""
        if self.shown is None:
            self.shown = [piece for page in self._again(show) for piece in page.shown]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        for page in self._again(None):
            yield from page.records

    def _again(self, show: Show | None) -> Iterator[Page]:
        for stretch, offset, taken in self._parts:
            page = Page(Limit(taken, self.size), show)
            stretch.reread(page, offset)
            yield page

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        return list(self)[place]
