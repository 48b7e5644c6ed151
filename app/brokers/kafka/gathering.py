"""One page on its way: from what is kept, and from what a broker answers where that ends."""

from app.brokers.kafka.history import History
from app.brokers.kafka.pages import Page
from app.brokers.kafka.stretch import KeptPage, Part, Piece, Stretch
from app.record import Fetched, Limit, Position, Show


class Gathering:
    """Goes on at `at` until it is `done`: full, or at the log's end.

    Where the log begins and ends is only known of what a broker answered in this very request.
    """

    def __init__(self, history: History, at: Position, limit: Limit, show: Show | None) -> None:
        self.first = self.at = at
        self.done = False
        self._history = history
        self._limit = limit
        self._show = show
        self._page = Page(limit, show)
        self._parts: list[Part] = []
        self._ends: Piece | None = None

    @property
    def knows_ends(self) -> bool:
        return self._ends is not None and self.at.offset <= self._ends.high_watermark

    @property
    def last(self) -> Stretch:
        return self._parts[-1].stretch

    def read_kept(self) -> bool:
        """Read on in what is kept; False where nothing is."""
        stretch = self._history.at(self.at)
        if stretch is not None:
            self._read(stretch)
            self.done = self._page.full
        return stretch is not None

    def read_answer(self, asked: Position, piece: Piece) -> bool:
        """Read on in a broker's answer; False if it contradicts what was read before."""
        if not self._parts:
            self.first = asked
        elif asked != self.at or piece.log_start > self.first.offset:
            return False
        self.at, self._ends = asked, piece
        self._read(self._history.keep(asked, piece))
        dry = self.at.offset in (asked.offset, piece.high_watermark)  # also where a throttled broker answers nothing
        self.done = self._page.full or dry
        return True

    def fetched(self, ends: Piece | None = None) -> Fetched:
        """The page, to be known again if it is full; `ends` where they are not known here."""
        ends = ends or self._ends
        assert ends is not None  # noqa: S101  # for mypy: who knows no ends gives them
        page = self._page
        if page.full:
            self._history.keep_page(self._limit, self._parts, self.at.offset, page.size)
        if self._show is None:
            return Fetched(page.records, self.at.offset, ends.high_watermark, ends.log_start)
        # Not the page that is kept: what is shown goes with its answer.
        shown = KeptPage(self._parts, self.at.offset, page.size, page.shown)
        return Fetched(shown, self.at.offset, ends.high_watermark, ends.log_start, shown)

    def _read(self, stretch: Stretch) -> None:
        offset, before = self.at.offset, self._page.count
        self.at = self.at._replace(offset=self._history.read(self._page, stretch, offset))
        self._parts.append(Part(stretch, offset, self._page.count - before))
