"""Whether the gateway can serve: what `/health` tells and `/ready` answers."""

from collections.abc import Callable, Sequence

from app import __version__
from app.broker import Broker


class Health:
    """The gateway's state, put together from those who know it."""

    version = __version__

    def __init__(
        self, broker: Broker, *, connected: Callable[[], bool], unreplicated: Callable[[], Sequence[str]]
    ) -> None:
        self._broker = broker
        self._connected = connected
        self._unreplicated = unreplicated
        self._stopping = False

    def stop(self) -> None:
        """From now on the gateway is not ready: it finishes what it has."""
        self._stopping = True

    @property
    def broker_kind(self) -> str:
        return self._broker.kind

    @property
    def broker_connected(self) -> bool:
        return self._connected()

    def stopping(self) -> bool:
        return self._stopping

    @property
    def unreplicated(self) -> Sequence[str]:
        """Topics in use that are lost with one broker of several."""
        return self._unreplicated()

    @property
    def well(self) -> bool:
        """Ready, and nothing is at risk."""
        return self.ready and not self.unreplicated

    @property
    def ready(self) -> bool:
        """Started, the broker answers, and nobody has asked it to stop."""
        return self._connected() and not self._stopping
