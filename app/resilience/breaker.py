"""A circuit breaker: after failures in a row, refuse at once for a while, then let a few through to try.

M. Nygard, Release It!, chapter "Stability Patterns". Knows nothing of what it guards; the clock is passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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


class Permit(Protocol):
    """Leave for one try. Say once how it went; what another state than the present one let through counts no more."""

    def succeeded(self) -> None: ...

    def failed(self) -> None: ...

    def gave_back(self) -> None:
        """It ended without telling anything about the other side."""
        ...


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
        self._state: _State = _Closed(self, policy.failures)

    @property
    def state(self) -> StateName:
        return self._state.name

    def permit(self) -> Permit:
        """Raises Rejected."""
        state = self._state
        if isinstance(state, _Open):
            left = state.until - self._clock()
            if left > 0:
                raise self._rejection(left)
            state = self._let_some_through()
        if isinstance(state, _HalfOpen):
            self._take_token(state, self._clock())
        return state

    def half_open(self) -> None:
        """The other side is known to answer again: let some through to try, at once."""
        if isinstance(self._state, _Open):
            self._let_some_through()

    def close(self, asked_in: "_State") -> None:
        """For what became of the tries that this state let through; as `open`."""
        if asked_in is self._state:
            self._enter(_Closed(self, self._policy.failures))

    def open(self, asked_in: "_State") -> None:
        if asked_in is self._state:
            self._enter(_Open(self._clock() + self._policy.open_seconds))

    def _let_some_through(self) -> "_HalfOpen":
        tries = self._policy.successes
        state = _HalfOpen(self, tries, tries, self._clock())
        self._enter(state)
        return state

    def _rejection(self, retry_after: float) -> Rejected:
        self._rejected(self.state)
        return Rejected(self.state, retry_after)

    def _take_token(self, state: "_HalfOpen", now: float) -> None:
        if not state.tokens:
            renewal = state.renewed_at + self._policy.open_seconds
            if now < renewal:
                raise self._rejection(1)
            state.tokens, state.renewed_at = self._policy.successes, now
        state.tokens -= 1

    def _enter(self, state: "_State") -> None:
        self._state = state
        self._changed(state.name)


@dataclass(slots=True, eq=False)
class _Closed:
    """All its tries have the same permit, itself: nothing is counted that could be handed back."""

    breaker: CircuitBreaker
    most_failures: int
    failures: int = 0
    name: StateName = "closed"

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= self.most_failures:
            self.breaker.open(self)

    def gave_back(self) -> None:
        return


@dataclass(slots=True, eq=False)
class _HalfOpen:
    breaker: CircuitBreaker
    wanted: int
    tokens: int
    renewed_at: float
    name: StateName = "half_open"

    def succeeded(self) -> None:
        self.wanted -= 1
        if not self.wanted:
            self.breaker.close(self)

    def failed(self) -> None:
        self.breaker.open(self)

    def gave_back(self) -> None:
        self.tokens += 1


@dataclass(slots=True, eq=False)
class _Open:
    until: float
    name: StateName = "open"


_State = _Closed | _HalfOpen | _Open
