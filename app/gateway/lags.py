"""How far consumers are behind, read beside the requests for whoever watches."""

from collections.abc import Callable, Sequence

from app.gateway.consumers import Consumers
from app.gateway.sight import Everything
from app.telemetry.metrics.seen import Lag


class Lags:
    """Reads the lag of every partition that a consumer has committed, and tells it to `tell`."""

    def __init__(self, consumers: Consumers, tell: Callable[[Sequence[Lag]], None]) -> None:
        self._consumers = consumers
        self._tell = tell

    async def read(self) -> None:
        """Raises what asking the broker raises: then what was told last still stands."""
        groups = await self._consumers.all(Everything())
        self._tell(
            [
                Lag(group.name, found.topic.stream, found.topic.topic, found.partition, found.lag)
                for group in groups
                for found in group.partitions
            ]
        )
