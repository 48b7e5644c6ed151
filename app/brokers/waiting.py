"""Who waits for an acknowledgement, and since when."""

from itertools import count
from time import monotonic


class Waiting(dict[int, float]):
    """Those who wait now, each by a number, and since when by the monotonic clock; the first to come is the oldest."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self.progress_at = 0.0
        """When the last one got what it waited for, or the first one of those since then came."""

    @property
    def age(self) -> float:
        """For how many seconds the oldest has waited; 0 when nobody waits."""
        for since in self.values():
            return monotonic() - since
        return 0.0

    @property
    def silence(self) -> float:
        """For how many seconds nobody got anything, though somebody waits; 0 when nobody does."""
        return monotonic() - self.progress_at if self else 0.0

    def begin(self) -> int:
        """Somebody waits, until `end` is called with the number answered."""
        number, now = next(self._numbers), monotonic()
        if not self:
            self.progress_at = now
        self[number] = now
        return number

    def end(self, number: int, *, served: bool = True) -> None:
        """`served`: it got what it waited for."""
        del self[number]
        if served:
            self.progress_at = monotonic()
