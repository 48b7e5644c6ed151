"""A circuit breaker: after failures in a row, refuse at once for a while, then let a few through to try.

M. Nygard, Release It!, chapter "Stability Patterns". Knows nothing of what it guards; the clock is passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Self

StateName = Literal["closed", "half_open", "open"]


class BreakerPolicy(NamedTuple):
    """`failures` in a row open it for `open_seconds`; then `successes` tries may pass, and if all succeed it closes."""

    failures: int = 5
    successes: int = 2
    open_seconds: float = 30


class Rejected(Exception):
    """The breaker lets nobody through. `retry_after` is in seconds."""

    def __init__(self, state: StateName, retry_after: float) -> None:
        super().__init__(state)
        self.state = state
        self.retry_after = retry_after


@dataclass(slots=True)
class _Closed:
    name: StateName = "closed"
    failures: int = 0


@dataclass(slots=True)
class _HalfOpen:
    tokens: int
    renewed_at: float
    name: StateName = "half_open"
    successes: int = 0


@dataclass(slots=True)
class _Open:
    until: float
    name: StateName = "open"


_State = _Closed | _HalfOpen | _Open


class CircuitBreaker:
    """Ask for a `permit` before each try. `changed` is told every new state, `rejected` the state that refused one."""

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float],
        changed: Callable[[StateName], None],
        rejected: Callable[[StateName], None],
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._changed = changed
        self._rejected = rejected
        self._state: _State = _Closed()
        self._shared: Permit | None = Permit(self, self._state)
        """All tries have the same while it is closed: nothing is counted that could be handed back."""

    @property
    def state(self) -> StateName:
        return self._state.name

    def permit(self) -> "Permit":
        """Leave for one try. Raises Rejected."""
        if self._shared is not None:
            return self._shared
        now = self._clock()
        if isinstance(self._state, _Open):
            if now < self._state.until:
                raise self._rejection(self._state.until - now)
            self.half_open()
        if isinstance(self._state, _HalfOpen):
            self._take_token(self._state, now)
        return Permit(self, self._state)

    def half_open(self) -> None:
        """The other side is known to answer again: let some through to try, at once."""
        if isinstance(self._state, _Open):
            self._enter(_HalfOpen(self._policy.successes, self._clock()))

    def succeeded(self, asked_in: object) -> None:
        """What a permit of that state led to. What another state than the present one began counts no more."""
        if asked_in is not self._state:
            return
        if isinstance(self._state, _Closed):
            self._state.failures = 0
        elif isinstance(self._state, _HalfOpen):
            self._state.successes += 1
            if self._state.successes >= self._policy.successes:
                self._enter(_Closed())

    def failed(self, asked_in: object) -> None:
        """As `succeeded`."""
        if asked_in is not self._state:
            return
        if isinstance(self._state, _Closed):
            self._state.failures += 1
        if isinstance(self._state, _HalfOpen) or self._too_many():
            self._enter(_Open(self._clock() + self._policy.open_seconds))

    def gave_back(self, asked_in: object) -> None:
        """A try ended without telling anything about the other side."""
        if asked_in is self._state and isinstance(self._state, _HalfOpen):
            self._state.tokens += 1

    def _rejection(self, retry_after: float) -> Rejected:
        self._rejected(self.state)
        return Rejected(self.state, retry_after)

    def _too_many(self) -> bool:
        return isinstance(self._state, _Closed) and self._state.failures >= self._policy.failures

    def _take_token(self, state: _HalfOpen, now: float) -> None:
        if not state.tokens:
            renewal = state.renewed_at + self._policy.open_seconds
            if now < renewal:
                raise self._rejection(1)
            state.tokens, state.renewed_at = self._policy.successes, now
        state.tokens -= 1

    def _enter(self, state: _State) -> None:
        self._state = state
        self._shared = Permit(self, state) if isinstance(state, _Closed) else None
        self._changed(state.name)


class Permit:
    """Use it as a context and say how the try went; saying nothing hands it back."""

    __slots__ = ("_asked_in", "_breaker", "_told")

    def __init__(self, breaker: CircuitBreaker, asked_in: object) -> None:
        self._breaker = breaker
        self._asked_in = asked_in
        self._told = False

    def succeeded(self) -> None:
        self._told = True
        self._breaker.succeeded(self._asked_in)

    def failed(self) -> None:
        self._told = True
        self._breaker.failed(self._asked_in)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._told:
            self._breaker.gave_back(self._asked_in)
