"""Brute force: how often an address may present a wrong key."""

from collections import OrderedDict
from collections.abc import Callable

AT_ONCE = 5
SECONDS_EACH = 6.0
MOST_CLIENTS = 65_536

_SHARED = ""


class Attempts:
    """Wrong keys by client address: `AT_ONCE` of them, then one every `SECONDS_EACH`.

    For each client stands the moment at which it is forgiven everything: the virtual scheduling form of ITU-T I.371's
    GCRA. When `most` of them are not forgiven yet, all who come new share one entry: no abuser is forgotten.
    """

    def __init__(self, monotonic: Callable[[], float], *, most: int = MOST_CLIENTS) -> None:
        self._monotonic = monotonic
        self._most = most
        self._forgiven_at: OrderedDict[str, float] = OrderedDict()
        """By the last wrong key that was let through, so also by nearly the moment."""

    def __len__(self) -> int:
        return len(self._forgiven_at)

    def wrong_key(self, client: str) -> float:
        """Count a wrong key. 0 if it may be answered as one, else the seconds until the next may come."""
        now = self._monotonic()
        entry = self._entry_of(client, now)
        forgiven_at = max(now, self._forgiven_at.get(entry, now)) + SECONDS_EACH
        wait = forgiven_at - now - AT_ONCE * SECONDS_EACH
        if wait > 0:
            return wait
        self._forgiven_at[entry] = forgiven_at
        self._forgiven_at.move_to_end(entry)
        return 0.0

    def _entry_of(self, client: str, now: float) -> str:
        if client in self._forgiven_at:
            return client
        while self._forgiven_at and next(iter(self._forgiven_at.values())) <= now:
            self._forgiven_at.popitem(last=False)
        return client if len(self._forgiven_at) < self._most else _SHARED
