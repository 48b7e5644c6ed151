"""Limits on what is sent: so many events and so many bytes a second for each caller."""

from collections.abc import Awaitable, Sequence

from app.api.call import Call, caller_of
from app.door.limits import Demand, Limiter
from app.errors import TooManyRequests
from app.telemetry.metrics import Metrics


class Charges:
    """Charges a caller for the events and the bytes of a body that was read and understood; 0: no limit.

    A caller's bucket holds what may come in a second. A body larger than that is taken too, and the next one waits the
    longer for it. A key's own numbers go before these.
    """

    def __init__(
        self, limiter: Limiter, metrics: Metrics, *, events_per_second: float, bytes_per_second: float
    ) -> None:
        self._limiter = limiter
        self._charged = metrics.door.charged
        self._refused = metrics.door.refused
        self._events = events_per_second
        self._bytes = bytes_per_second

    def take(self, call: Call, *, events: int, size: int) -> Awaitable[None] | None:
        """What there is to wait for, if there is a limit. It raises TooManyRequests; then nothing was charged."""
        key = call.identity.key
        events_per_second, bytes_per_second = self._events, self._bytes
        if key is not None:
            if key.events_per_second is not None:
                events_per_second = key.events_per_second
            if key.bytes_per_second is not None:
                bytes_per_second = key.bytes_per_second
        if events_per_second or bytes_per_second:
            asked = (("events", events_per_second, events), ("bytes", bytes_per_second, size))
            return self._limit(call, [each for each in asked if each[1]], events, size)
        self._charged(call.identity.name, events, size)
        return None

    async def _limit(self, call: Call, limited: Sequence[tuple[str, float, int]], events: int, size: int) -> None:
        caller = caller_of(call)
        demands = [Demand(f"{what} {caller}", rate, max(1, rate), cost) for what, rate, cost in limited]
        for (what, rate, _), verdict in zip(limited, await self._limiter.take_all(*demands), strict=True):
            if verdict.wait:
                self._refused(f"{what}_limited", call.identity.name)
                raise TooManyRequests(f"too many {what}: {rate:g} a second are allowed", retry_after=verdict.wait)
        self._charged(call.identity.name, events, size)
