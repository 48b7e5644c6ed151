"""The broker as the gateway meets it: the connection, the breaker, what waits; the embedded log's commits and disk."""

from app.telemetry.metrics.families import Families


class BrokerMetrics:
    """Figures by name: the connection's are kept by `connection`, the others by whoever assembles the log."""

    def __init__(self, new: Families) -> None:
        self.status = new.level("sluice_connection_status", "1 while the broker answers, else 0.", "livemin")
        self.state = new.level(
            "sluice_connection_state", "1 for the state the connection is in, else 0.", "livesum", "state"
        )
        self.reconnects = new.count("sluice_connection_reconnects", "Attempts to connect to the broker.")
        self.rebuilds = new.count(
            "sluice_connection_rebuilds", "Connections made anew because the old one could not heal.", "reason"
        )
        self.unreplicated = new.level(
            "sluice_unreplicated_topics", "Topics in use that one broker of several keeps alone.", "livemax"
        )
        self._make_breaker(new)
        self._make_queue(new)

    def _make_breaker(self, new: Families) -> None:
        self.breaker_state = new.level("sluice_circuit_breaker_state", "0 closed, 1 half-open, 2 open.", "livemax")
        self.breaker_opens = new.count("sluice_circuit_breaker_opens", "Times the circuit breaker opened.")
        self.breaker_rejections = new.count(
            "sluice_circuit_breaker_rejections", "Sends refused while open, or half-open with all tries taken.", "state"
        )

    def _make_queue(self, new: Families) -> None:
        self.send_queue = new.level("sluice_send_queue", "Sends that wait for their acknowledgement.", "livesum")
        self.send_queue_age = new.level(
            "sluice_send_queue_age_seconds", "For how long the oldest of them has waited.", "livemax"
        )
        self.inflight_bytes = new.level("sluice_inflight_bytes", "Bytes of request bodies held in memory.", "livesum")
        self._commit_duration = new.seconds("sluice_embedded_commit", "The embedded log's transactions, until on disk.")
        self._commit_size = new.sizes("sluice_embedded_commit_sends", "Sends and changes that shared a transaction.")

    def committed(self, sends: int, seconds: float) -> None:
        """A transaction of the embedded log is on disk. May be called from any thread."""
        self._commit_duration.observe(seconds)
        self._commit_size.observe(sends)
