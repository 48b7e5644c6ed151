"""The rate limit: a token bucket for each caller, kept as one moment (GCRA, ITU-T I.371's virtual scheduling form)."""

import math
from collections.abc import Callable
from typing import NamedTuple

MOST_CALLERS = 100_000
_SWEEP_SECONDS = 1.0
_SHARED = ""


class Verdict(NamedTuple):
    """What a caller is told: the bucket's size, whole tokens left, whole seconds until it is full again.

    `wait` is 0 for a request that is let through, else the seconds until the next would be.
    """

    limit: int
    remaining: int
    reset: int
    wait: float


class RateLimiter:
    """Buckets of `burst` tokens that fill by `rps` a second; callers may have numbers of their own.

    For each caller stands the moment at which its bucket is full again. Who is full is forgotten first, for that is the
    same as being new; when `most` callers are not full yet, whoever comes new shares one bucket: that way no abuser is
    forgiven for want of room. By a monotonic clock, in seconds.
    """

    def __init__(self, rps: float, burst: int, monotonic: Callable[[], float], *, most: int = MOST_CALLERS) -> None:
        self._rps = rps
        self._burst = burst
        self._monotonic = monotonic
        self._most = most
        self._full_at: dict[str, float] = {}
        self._swept_at = -math.inf

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, caller: str, rps: float | None = None, burst: int | None = None) -> Verdict | None:
        """Take a token of the caller's bucket; None where nothing is limited."""
        rate, size = self._rps if rps is None else rps, self._burst if burst is None else burst
        if not rate:
            return None
        now = self._monotonic()
        entry = self._entry_of(caller, now)
        empty_for = max(self._full_at.get(entry, now) - now, 0.0)
        filled = empty_for + 1 / rate
        wait = filled - size / rate
        if wait > 1e-9:  # rounding must not take the last token away
            return Verdict(size, max(0, math.floor(size - empty_for * rate + 1e-9)), math.ceil(empty_for), wait)
        self._full_at[entry] = now + filled
        return Verdict(size, max(0, math.floor(size - filled * rate + 1e-9)), math.ceil(filled - 1e-9), 0.0)

    def _entry_of(self, caller: str, now: float) -> str:
        if caller in self._full_at or len(self._full_at) < self._most:
            return caller
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            self._full_at = {other: full_at for other, full_at in self._full_at.items() if full_at > now}
        return caller if len(self._full_at) < self._most else _SHARED
