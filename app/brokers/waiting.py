"""Who waits for an acknowledgement, and since when."""

from itertools import count
from time import monotonic


class Waiting:
    """Those who wait now; the first to come is the oldest, since time does not go back."""

    def __init__(self) -> None:
        self._numbers = count()
        self._since: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    @property
    def age(self) -> float:
        """For how many seconds the oldest has waited; 0 when nobody waits."""
        for since in self._since.values():
            return monotonic() - since
        return 0.0

    def begin(self) -> int:
        """Somebody waits, until `end` is called with the number answered."""
        number = next(self._numbers)
        self._since[number] = monotonic()
        return number

    def since(self, number: int) -> float:
        """When that one began to wait, by the monotonic clock."""
        return self._since[number]

    def end(self, number: int) -> None:
        del self._since[number]
