"""Messages in and out, by stream and topic: those that exist, and of them the first so many."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from app.record import Failed, NewRecord, Outcome
from app.telemetry.metrics.families import OTHER, UNKNOWN, Bounded, Families, Tally
from app.telemetry.metrics.histograms import Observed

MOST_TOPICS = 500
"""That have series of their own; a topic takes some forty."""

OTHER_TOPICS = (OTHER, OTHER)

_TOPIC = ("stream", "topic")


class _Sending(Struct, frozen=True):
    ok: Tally
    failed: Tally
    size: Tally
    duration: Observed


class _Polling(Struct, frozen=True):
    messages: Tally
    size: Tally
    duration: Observed


class MessageMetrics:
    """Told of each send and each poll once, by whoever knows that the topic exists."""

    def __init__(self, new: Families) -> None:
        self._created = new.tally(new.count("events_created", "Events stored, repeats left out."))
        self._sent = new.count("sluice_messages_sent", "Messages by what became of them.", *_TOPIC, "status")
        self._batch = new.sizes("sluice_send_batch_size", "Messages of one send.")
        self.commits_refused = new.count(
            "sluice_commits_refused",
            "Offsets of auto_commit polls and of tails that the broker refused afterwards.",
        )
        self._sending = Bounded(self._of_sends(new), MOST_TOPICS, OTHER_TOPICS)
        self._polling = Bounded(self._of_polls(new), MOST_TOPICS, OTHER_TOPICS)

    def _of_sends(self, new: Families) -> Callable[[tuple[str, str]], _Sending]:
        messages = self._sent.labels
        size = new.count("sluice_sent_bytes", "Bytes of the values of messages given to the log.", *_TOPIC).labels
        duration = new.seconds_by("sluice_send_duration", "From the use case to the broker's acknowledgement.", *_TOPIC)

        def of(topic: tuple[str, str]) -> _Sending:
            ok, failed = (new.tally(messages(*topic, status)) for status in ("ok", "failed"))
            return _Sending(ok, failed, new.tally(size(*topic)), duration(*topic))

        return of

    def _of_polls(self, new: Families) -> Callable[[tuple[str, str]], _Polling]:
        messages = new.count("sluice_messages_polled", "Messages answered.", *_TOPIC).labels
        size = new.count("sluice_polled_bytes", "Bytes of the values of messages answered.", *_TOPIC).labels
        duration = new.seconds_by("sluice_poll_duration", "A poll, waiting for messages included.", *_TOPIC)

        def of(topic: tuple[str, str]) -> _Polling:
            return _Polling(new.tally(messages(*topic)), new.tally(size(*topic)), duration(*topic))

        return of

    def sent(
        self, stream: str, topic: str, records: Sequence[NewRecord], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        """A send that the log has answered, in so many seconds."""
        size = failed = repeated = 0
        for record in records:
            size += len(record.value or b"")
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                failed += 1
            elif outcome.duplicate:
                repeated += 1
        ok = len(outcomes) - failed
        series = self._sending[stream, topic]
        series.duration.observe(seconds)
        self._batch.observe(ok + failed)
        self._created.total += ok - repeated
        series.size.total += size
        series.ok.total += ok
        if failed:
            series.failed.total += failed

    def failed(self, stream: str, topic: str, messages: int) -> None:
        """They were refused before they came to the log."""
        self._sending[stream, topic].failed.total += messages

    def send_refused(self, messages: int) -> None:
        """They never came to a topic, which need not exist."""
        self._sent.labels(UNKNOWN, UNKNOWN, "failed").inc(messages)

    def polled(self, stream: str, topic: str, *, messages: int, size: int, seconds: float) -> None:
        """A poll that has its answer, which may be an empty one; `size` is in bytes."""
        series = self._polling[stream, topic]
        series.duration.observe(seconds)
        series.messages.total += messages
        series.size.total += size
