"""Who waits for an acknowledgement, and since when."""

from itertools import count
from time import monotonic


class Waiting:
    """Those who wait now; the first to come is the oldest, since time does not go back."""

    def __init__(self) -> None:
        self._numbers = count()
        self._since: dict[int, float] = {}
        self.progress_at = 0.0
        """When the last one got what it waited for, or the first one of those since then came."""

    def __len__(self) -> int:
        return len(self._since)

    @property
    def age(self) -> float:
        """For how many seconds the oldest has waited; 0 when nobody waits."""
        for since in self._since.values():
            return monotonic() - since
        return 0.0

    @property
    def silence(self) -> float:
        """For how many seconds nobody got anything, though somebody waits; 0 when nobody does."""
        return monotonic() - self.progress_at if self._since else 0.0

    def begin(self) -> int:
        """Somebody waits, until `end` is called with the number answered."""
        number, now = next(self._numbers), monotonic()
        if not self._since:
            self.progress_at = now
        self._since[number] = now
        return number

    def since(self, number: int) -> float:
        """When that one began to wait, by the monotonic clock."""
        return self._since[number]

    def end(self, number: int, *, served: bool = True) -> None:
        """`served`: it got what it waited for."""
        del self._since[number]
        if served:
            self.progress_at = monotonic()
