"""Live feeds: who listens, and what is told."""

from contextlib import AbstractContextManager
from typing import Literal

from app.telemetry.metrics.families import Bounded, Families
from app.telemetry.metrics.messages import MOST_TOPICS, OTHER_TOPICS

Transport = Literal["sse", "websocket"]


class TailMetrics:
    """Told of each tail for as long as it is open, and of what it tells its client."""

    def __init__(self, new: Families) -> None:
        told = new.count("sluice_messages_tailed", "Messages told to tails.", "stream", "topic").labels
        self._told = Bounded(lambda topic: new.tally(told(*topic)), MOST_TOPICS, OTHER_TOPICS)
        self._open = new.level("sluice_tails_open", "Live feeds that clients listen to.", "livesum", "transport")
        self._cut = new.tally(new.count("sluice_tails_cut", "Live feeds whose clients were too slow."))

    def listening(self, transport: Transport) -> AbstractContextManager[None]:
        """For as long as somebody does."""
        return self._open.labels(transport).track_inprogress()

    def told(self, stream: str, topic: str, messages: int) -> None:
        """Messages of a topic that exists."""
        self._told[stream, topic].total += messages

    def cut(self) -> None:
        """A client was too slow."""
        self._cut.total += 1
