"""Whether the broker answers, told once per change: to the metrics, to the log, to whoever asks."""

from collections.abc import Callable

from app.telemetry.logs import get_logger
from app.telemetry.metrics.broker import BrokerMetrics

_BREAKER = {"closed": 0, "half_open": 1, "open": 2}
_STATES = ("connecting", "ready", "away", "rebuilding")

_log = get_logger(__name__)


class ConnectionStatus:
    """The gateway's view of its broker. Not connected until told so."""

    def __init__(self, metrics: BrokerMetrics, broker: str) -> None:
        self._metrics = metrics
        self._broker = broker
        self._told = False
        self._watchers: list[Callable[[bool, str | None], None]] = []
        self.connected = False
        metrics.status.set(0)

    def watch(self, watcher: Callable[[bool, str | None], None]) -> None:
        """Call it with each change from now on: whether the broker answers, and why not. The first "yes" is none."""
        self._watchers.append(watcher)

    def tell(self, *, connected: bool, reason: str | None = None) -> None:
        """`reason` says why it is away."""
        first = not self._told
        changed = connected != self.connected or first
        self._told = True
        self.connected = connected
        self._metrics.status.set(connected)
        if changed and connected:
            _log.info("broker connected", broker=self._broker)
        elif changed:
            _log.warning("broker away", broker=self._broker, reason=reason)
        if changed and not (first and connected):
            for watcher in self._watchers:
                watcher(connected, reason)


class ConnectionMetrics:
    """What a connection that heals tells of itself, as metrics; every series is there from the start."""

    def __init__(self, metrics: BrokerMetrics, status: ConnectionStatus) -> None:
        self._metrics = metrics
        self._status = status
        self.breaker_is("closed")
        self.state_is("connecting", None)
        for state in ("half_open", "open"):
            metrics.breaker_rejections.labels(state)
        for reason in ("stalled", "moved"):
            metrics.rebuilds.labels(reason)

    def state_is(self, state: str, reason: str | None) -> None:
        for name in _STATES:
            self._metrics.state.labels(name).set(name == state)
        if state != "connecting":
            self._status.tell(connected=state == "ready", reason=reason)

    def attempted(self) -> None:
        self._metrics.reconnects.inc()

    def rebuilt(self, reason: str) -> None:
        self._metrics.rebuilds.labels(reason).inc()

    def breaker_is(self, state: str) -> None:
        self._metrics.breaker_state.set(_BREAKER[state])
        if state == "open":
            self._metrics.breaker_opens.inc()
            _log.warning("circuit breaker open")

    def breaker_rejected(self, state: str) -> None:
        self._metrics.breaker_rejections.labels(state).inc()
