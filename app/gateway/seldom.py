"""What is told seldom, however often it happens: at once, and then with how often it happened meanwhile."""

from collections.abc import Hashable
from typing import NamedTuple

from app.deadline import Clock


class _Told(NamedTuple):
    at: float
    kept_back: int


class Seldom:
    """Once in `seconds` for each thing; a clock that is set back only lets it be told again.

    It remembers every thing: let there be few.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._told: dict[Hashable, _Told] = {}

    def happened(self, thing: Hashable) -> int | None:
        """None: say nothing. Else say it, and how often it was kept back before."""
        now = self._clock()
        told = self._told.get(thing)
        if told and told.at <= now < told.at + self._seconds:
            self._told[thing] = told._replace(kept_back=told.kept_back + 1)
            return None
        self._told[thing] = _Told(now, 0)
        return told.kept_back if told else 0
