"""Rounds of the event loop: what is better done together waits for the next one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NextRound(Generic[T]):
    """Calls `do` in the next round with what this one added, in order. It takes away each thing before it does it."""

    def __init__(self, do: Callable[[deque[T]], None]) -> None:
        self._do = do
        self._waiting: deque[T] = deque()

    def add(self, thing: T) -> None:
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        waiting.append(thing)

    def _turn(self) -> None:
        try:
            self._do(self._waiting)
        finally:
            if self._waiting:  # one has failed, which is the loop's to tell, and nobody else's fault
                asyncio.get_running_loop().call_soon(self._turn)
