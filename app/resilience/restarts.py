"""When something that fell is started again: at once after a good while, later and later when it falls at once."""

from app.resilience.backoff import Backoff


class Restarts:
    """Of one place. Who lived for `steady` seconds has not failed at starting: the next fall counts as the first."""

    def __init__(self, backoff: Backoff, *, steady: float) -> None:
        self._backoff = backoff
        self._steady = steady
        self._in_a_row = 0

    def fell(self, lived: float) -> float:
        """Seconds to wait before the next start, after one that lasted for `lived` seconds."""
        self._in_a_row = 0 if lived >= self._steady else self._in_a_row + 1
        return self._backoff.after(self._in_a_row) if self._in_a_row else 0.0
