"""Rounds of the event loop: what is better done together waits for the next one."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class NextRound(Generic[T]):
    """Calls `do` in the next round with what this one added, in order. What it leaves, since it failed, comes after."""

    def __init__(self, do: Callable[[Iterator[T]], None]) -> None:
        self._do = do
        self._waiting: list[T] = []

    def add(self, thing: T) -> None:
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        waiting.append(thing)

    def _turn(self) -> None:
        waiting, self._waiting = iter(self._waiting), []
        try:
            self._do(waiting)
        finally:
            for thing in waiting:  # one has failed, which is the loop's to tell, and nobody else's fault
                self.add(thing)
