"""New ids: random UUIDs (version 4, RFC 9562)."""

import os
from collections.abc import Callable

_AT_ONCE = 256
_FORM = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx "
_PLACES = [place for place, char in enumerate(_FORM) if char == ord("x")]
_FIXED = int("00000000000040008000000000000000" * _AT_ONCE, 16)
_RANDOM = int("ffffffffffff0fff3fffffffffffffff" * _AT_ONCE, 16)
"""Version and variant of so many UUIDs in a row, and the bits that are left to chance."""


class UuidSource:
    """Makes UUIDs as text. Draws random bytes in bulk: each draw is a system call, at which other threads take over."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._ready: list[str] = []

    def __call__(self) -> str:
        """A UUIDv4 in its 36-character text form."""
        if not self._ready:
            self._ready = self._draw()
        return self._ready.pop()

    def _draw(self) -> list[str]:
        drawn = int.from_bytes(self._random(16 * _AT_ONCE))
        digits = (drawn & _RANDOM | _FIXED).to_bytes(16 * _AT_ONCE).hex().encode()
        text = bytearray(_FORM * _AT_ONCE)
        for digit, place in enumerate(_PLACES):  # that digit of all of them: a third of the time that one by one takes
            text[place :: len(_FORM)] = digits[digit :: len(_PLACES)]
        return text.decode().split()
