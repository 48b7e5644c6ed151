"""CPU of what waits for nothing: the least of many turns, since a noisy machine only ever adds."""

import time
from collections.abc import Callable, Mapping
from typing import Any

_TIMES = 2000


def least(candidates: Mapping[str, Callable[[], Any]], seconds: float, *, times: int = _TIMES) -> dict[str, float]:
    """Microseconds of each, in turns of so many times for so long."""
    found = {name: float("inf") for name in candidates}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for name, call in candidates.items():
            found[name] = min(found[name], _microseconds(call, times))
    return found


def run(call: Callable[[], Any]) -> Any:
    """A coroutine that waits for nothing ends at its first step."""
    try:
        call().send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waited")


def _microseconds(call: Callable[[], Any], times: int) -> float:
    started = time.process_time_ns()
    for _ in range(times):
        run(call)
    return (time.process_time_ns() - started) / times / 1000
