"""Whether a topic in use is kept by one broker alone, on a cluster of several: looked at beside the requests."""

from app.broker import Log
from app.telemetry.logs import get_logger

MOST_TOPICS = 1000
"""Looked after at once; what is used while they are so many is looked at once some of them turn out to be none."""

_MOST_LOGGED = 20

_log = get_logger(__name__)


class Replication:
    """Knows the topics that were sent to or polled; `always` counts as one of them."""

    def __init__(self, log: Log, *, always: str) -> None:
        self._broker = log
        self._always = always
        self._used: set[str] = set()
        self.unreplicated: tuple[str, ...] = ()
        """Topics in use that are lost with one broker, though there are more; as they were at the last look."""

    def use(self, topic: str) -> None:
        """Somebody sends to this topic or polls it, if it exists."""
        if len(self._used) < MOST_TOPICS:
            self._used.add(topic)

    async def look(self) -> None:
        """Look at them now. Raises what asking the broker raises: then all stays as it was."""
        several = await self._broker.nodes() > 1
        asked = {*self._used, self._always} if several else set()
        infos = await self._broker.describe_many(sorted(asked))
        self._used -= asked - {info.name for info in infos}  # what came into use meanwhile stays
        found = tuple(info.name for info in infos if any(len(p.replicas) == 1 for p in info.partitions))
        if found != self.unreplicated:
            tell = _log.warning if found else _log.info
            tell("topics in use with a single replica", count=len(found), topics=found[:_MOST_LOGGED])
        self.unreplicated = found
