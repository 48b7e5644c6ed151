"""New ids: random UUIDs (version 4, RFC 9562)."""

import os
from collections.abc import Callable, Iterator

_AT_ONCE = 256


class UuidSource:
    """Makes UUIDs as text. Draws random bytes in bulk: each draw is a system call, at which other threads take over."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._ready = self._draw()

    def __call__(self) -> str:
        """A UUIDv4 in its 36-character text form."""
        digits = next(self._ready, None)
        if digits is None:
            self._ready = self._draw()
            digits = next(self._ready)
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _draw(self) -> Iterator[str]:
        digits = self._random(16 * _AT_ONCE).hex()
        return (digits[at : at + 32] for at in range(0, len(digits), 32))
