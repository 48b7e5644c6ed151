"""Rounds of the event loop: what is better done together waits for the next one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NextRound(Generic[T]):
    """Calls `do` in the next round with each thing that this one added, in order."""

    def __init__(self, do: Callable[[T], None]) -> None:
        self._do = do
        self._waiting: deque[T] = deque()

    def add(self, thing: T) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._do_all)
        self._waiting.append(thing)

    def _do_all(self) -> None:
        waiting, do = self._waiting, self._do
        try:
            while waiting:
                do(waiting.popleft())
        finally:
            if waiting:  # one has failed, which is the loop's to tell, and nobody else's fault
                asyncio.get_running_loop().call_soon(self._do_all)
