"""The life of a connection that heals: watched, known to be away, made anew when it can't heal by itself."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    stop_never,
)

from app.broker import Log
from app.brokers.waiting import Waiting
from app.deadline import Deadline
from app.errors import Disconnected, SluiceError
from app.resilience.backoff import Backoff
from app.telemetry.logs import get_logger

State = Literal["connecting", "ready", "away", "rebuilding", "closed"]

PROBE_SECONDS = 0.5
PING_SECONDS = 3.0
LOOKS_FOR_LAST_ACKNOWLEDGEMENTS, LOOK_SECONDS = 40, 0.05
"""How long a connection that is given up is left to those who may still get an answer by it."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """`most_attempts` 0 means no end; after the last one `rest` seconds pass until the next session of attempts.

    Somebody waits, and nothing was acknowledged for `overdue` seconds: time to ask whether the broker is there. It is,
    and yet nothing for `stalled` seconds: this connection will not do it. The brokers we know are silent for `moved`
    seconds, and the bootstrap servers are not: they may have moved.
    """

    backoff: Backoff
    most_attempts: int = 0
    rest: float = 30
    overdue: float = 1
    stalled: float = 20
    moved: float = 30


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told: of the connection's state, of every rebuild and its reason, and of every attempt to connect."""

    state: Callable[[State, str | None], None]
    rebuild: Callable[[str], None]
    attempt: Callable[[], None]


class Session:
    """One connection after the other, numbered by `generation`; at most one is being made at any time.

    `answers` asks, without the connection, whether the bootstrap servers can be reached.
    """

    def __init__(
        self, inner: Log, policy: ReconnectPolicy, listener: Listener, answers: Callable[[], Awaitable[bool]]
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._listener = listener
        self._answers = answers
        self._ready = asyncio.Event()
        self._nudge = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._held = 0
        self._away_since = 0.0
        self.waiting = Waiting()
        """Sends that wait: for a connection, or for an acknowledgement."""
        self.state: State = "connecting"
        self.generation = 0

    async def open(self) -> None:
        """One attempt. Raises what the connection raises; after that it may be tried again."""
        self._listener.attempt()
        try:
            await self._inner.open()
        except SluiceError as error:
            self._listener.state("connecting", error.message)
            raise
        self._enter_ready()
        self._watch = asyncio.create_task(self._watch_forever(), name="broker-session")

    async def close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        self.state = "closed"
        self._ready.clear()
        await self._inner.close()

    def check(self) -> None:
        """Raises Disconnected when there is no connection to use now."""
        if self.state != "ready":
            raise Disconnected("the broker is away")

    async def ready(self, deadline: Deadline) -> bool:
        """Wait for a connection; False: none within the deadline."""
        if self.state == "ready":
            return True
        waiting = asyncio.ensure_future(self._ready.wait())
        self._held += 1
        try:
            return await deadline.wait(waiting)
        finally:
            self._held -= 1
            waiting.cancel()

    async def ready_again(self) -> None:
        """Wait for a connection, however long; at least long enough that one which fails at once is not asked again."""
        await asyncio.sleep(PROBE_SECONDS)
        await self._ready.wait()

    def suspect(self, generation: int) -> None:
        """A call of that generation failed in a way that may mean that the broker is away, or the connection broken."""
        if generation == self.generation and self.state == "ready":
            self._nudge.set()

    async def _watch_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):  # wait_for can lose a cancellation
                    await self._nudge.wait()
            nudged = self._nudge.is_set()
            self._nudge.clear()
            if fault := self._inner.fault:
                await self._rebuild(fault)
            elif nudged or self.state == "away" or self.waiting.silence > self._policy.overdue:
                await self._look()

    async def _look(self) -> None:
        now = monotonic()
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._inner.ping()
        except Exception as error:  # noqa: BLE001 - whatever it is: the watch must go on
            if self.state == "ready":
                self._away_since = now
                self._enter("away", getattr(error, "message", "it does not answer"))
            elif now - self._away_since > self._policy.moved and await self._answers():
                await self._rebuild("moved")
            return
        if self.state == "away":
            self._enter_ready()
        elif self.waiting.silence > self._policy.stalled:
            await self._rebuild("stalled")

    async def _rebuild(self, reason: str) -> None:
        self._enter("rebuilding", reason)
        self._listener.rebuild(reason)
        _log.warning("connection made anew", reason=reason, generation=self.generation)
        for _ in range(LOOKS_FOR_LAST_ACKNOWLEDGEMENTS):
            if len(self.waiting) <= self._held:
                break
            await asyncio.sleep(LOOK_SECONDS)
        await self._inner.close()
        while True:
            if await self._reopened():
                break
            await asyncio.sleep(self._policy.rest)
        self.generation += 1
        self._enter_ready()

    async def _reopened(self) -> bool:
        most = self._policy.most_attempts
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception),  # whatever it is: nobody else would try again
            wait=self._policy.backoff,
            stop=stop_after_attempt(most) if most else stop_never,
            sleep=self._pause,
            before_sleep=_tell_mistake,
        )
        try:
            await retrying(self._attempt)
        except RetryError:
            _log.warning("gave up connecting for now", attempts=most, rest_seconds=self._policy.rest)
            return False
        return True

    async def _attempt(self) -> None:
        self._listener.attempt()
        await self._inner.open()

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the bootstrap servers answer."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            await asyncio.sleep(min(left, PROBE_SECONDS))
            if await self._answers():
                return

    def _enter_ready(self) -> None:
        self.waiting.progress_at = monotonic()
        self._enter("ready")
        self._ready.set()

    def _enter(self, state: State, reason: str | None = None) -> None:
        self.state = state
        if state != "ready":
            self._ready.clear()
        self._listener.state(state, reason)


def _tell_mistake(attempt: RetryCallState) -> None:
    """A broker that is away is no news; anything else is, and must not be lost."""
    error = attempt.outcome.exception() if attempt.outcome else None
    if error is not None and not isinstance(error, SluiceError):
        _log.error("connecting failed of a mistake", exc_info=error)
