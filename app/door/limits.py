"""The limits: token buckets for each caller, each kept as one moment (GCRA, ITU-T I.371's virtual scheduling form)."""

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Protocol

from msgspec import Struct

from app.door.moments import Moments

_ROUNDING = 1e-9
"""Rounding must not take the last token away."""


class Demand(Struct, frozen=True, gc=False):
    """What is asked of one bucket, which holds `size` tokens and fills by `rate` a second (more than 0).

    A bucket that has a token left gives more than it holds, and fills from below nothing: so what is larger than any
    bucket passes too, and the rate holds all the same.
    """

    caller: str
    rate: float
    size: float
    cost: float = 1


class Verdict(Struct, frozen=True, gc=False):
    """What a caller is told: the bucket's size, whole tokens left, whole seconds until it is full again.

    `wait` is 0 for a demand that can be met, else the seconds until it could be.
    """

    limit: int
    remaining: int
    reset: int
    wait: float


class Limiter(Protocol):
    """Knows what is left of each caller's buckets. A bucket whose rate or size is changed is a new one."""

    def take(self, demand: Demand) -> Verdict | Awaitable[Verdict]:
        """Meet the demand if that can be done; the verdict, or what there is to wait for."""
        ...

    async def take_all(self, *demands: Demand) -> list[Verdict]:
        """Meet all of the demands, or none of them; a verdict for each."""
        ...


class LocalLimiter:
    """Buckets, in `moments`, by a monotonic clock, in seconds."""

    def __init__(self, moments: Moments, monotonic: Callable[[], float]) -> None:
        self._moments = moments
        self._monotonic = monotonic

    def take(self, demand: Demand) -> Verdict:
        """`take_all` for one, without its loops: every request waits for it."""
        now = self._monotonic()
        moments = self._moments
        with moments.held:
            slot = moments.slot_of(demand.caller, demand.rate, demand.size, now)
            empty_for = max(moments.full_at[slot] - now, 0.0)
            wait = _wait(demand, empty_for)
            if not wait:
                empty_for += demand.cost / demand.rate
                moments.full_at[slot] = now + empty_for
        return verdict(demand, empty_for, wait)

    async def take_all(self, *demands: Demand) -> list[Verdict]:
        now = self._monotonic()
        moments = self._moments
        with moments.held:
            slots = [moments.slot_of(each.caller, each.rate, each.size, now) for each in demands]
            empty = [max(moments.full_at[slot] - now, 0.0) for slot in slots]
            waits = list(map(_wait, demands, empty))
            if not any(waits):
                for place, (demand, slot) in enumerate(zip(demands, slots, strict=True)):
                    empty[place] += demand.cost / demand.rate
                    moments.full_at[slot] = now + empty[place]
        return list(map(verdict, demands, empty, waits))


def _wait(demand: Demand, empty_for: float) -> float:
    wait = empty_for + (1 - demand.size) / demand.rate
    return wait if wait > _ROUNDING else 0.0


def verdict(demand: Demand, empty_for: float, wait: float) -> Verdict:
    """What there is to say of a bucket that is full again in `empty_for` seconds."""
    size = demand.size
    remaining = int(size - empty_for * demand.rate + _ROUNDING)
    return Verdict(int(size), max(0, remaining), ceil(empty_for - _ROUNDING), wait)
