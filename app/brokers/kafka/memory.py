"""Answers of the cluster, kept for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from app.errors import Disconnected

T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    answer: "asyncio.Future[T]"
    until: float


class Memory(Generic[T]):
    """Answers kept for some seconds; many who ask at once cause one question. Failures are not kept."""

    def __init__(
        self, ask: Callable[[str], Awaitable[T]], seconds: float, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[str, _Kept[T]] = {}

    async def get(self, name: str) -> T:
        now = self._clock()
        kept = self._kept.get(name)
        if kept is None or (kept.answer.done() and now >= kept.until):
            self._drop_old(now)
            asking = asyncio.ensure_future(self._ask(name))
            asking.add_done_callback(lambda task: self._drop_failed(name, task))
            kept = self._kept[name] = _Kept(asking, now + self._seconds)
        if not kept.answer.done():
            await asyncio.wait({kept.answer})
        if kept.answer.cancelled():
            raise Disconnected("the connection to Kafka was closed")
        return kept.answer.result()

    async def renew(self, name: str, before: float) -> None:
        """Ask again if the answer is kept no longer than `before`; until then it stays.

        Raises what asking raises. What was forgotten, or asked again, in the meantime is left so.
        """
        kept = self._kept.get(name)
        if kept is None or kept.until > before:
            return
        until = self._clock() + self._seconds
        answer = await self._ask(name)
        if self._kept.get(name) is kept:
            renewed = asyncio.get_running_loop().create_future()
            renewed.set_result(answer)
            self._kept[name] = _Kept(renewed, until)

    def remembered(self, name: str) -> tuple[T, float] | None:
        """The answer, if there is one, and until when it is kept, which may be over."""
        kept = self._kept.get(name)
        if kept is None or not kept.answer.done() or kept.answer.cancelled() or kept.answer.exception():
            return None
        return kept.answer.result(), kept.until

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)

    def clear(self) -> None:
        for kept in self._kept.values():
            kept.answer.cancel()
        self._kept.clear()

    def _drop_failed(self, name: str, task: "asyncio.Future[T]") -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and name in self._kept and self._kept[name].answer is task:
            del self._kept[name]

    def _drop_old(self, now: float) -> None:
        for name in [name for name, kept in self._kept.items() if kept.answer.done() and now >= kept.until]:
            del self._kept[name]
