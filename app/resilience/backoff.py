"""How long to wait before trying again: doubling, capped, with jitter so that many do not come back at once."""

from collections.abc import Callable

from tenacity import RetryCallState
from tenacity.wait import wait_base

LEAST_SECONDS = 0.1
JITTER = 0.2


class Backoff(wait_base):
    """`base` seconds, doubled with each attempt, at most `most`; ±20 %, never below 100 ms.

    `random` gives numbers in [0, 1).
    """

    def __init__(self, base: float, most: float, *, random: Callable[[], float]) -> None:
        self._base = base
        self._most = most
        self._random = random

    def __call__(self, retry_state: RetryCallState) -> float:
        return self.after(retry_state.attempt_number)

    def after(self, attempt: int) -> float:
        """Seconds to wait after the attempt of this number, the first is 1."""
        delay = min(self._base * 2.0 ** min(attempt - 1, 60), self._most)
        return max(LEAST_SECONDS, delay * (1 - JITTER + 2 * JITTER * self._random()))
