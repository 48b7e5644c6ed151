"""Who comes in, by the name of the key, and who does not. Names are those of the file of keys."""

from msgspec import Struct

from app.telemetry.metrics.families import OTHER, UNKNOWN, Bounded, Families, Tally

MOST_KEYS = 1000
"""That have series of their own."""


class _Use(Struct, frozen=True):
    requests: Tally
    messages: Tally
    size: Tally


class DoorMetrics:
    """Told of each request that was answered, of each body that was charged, of each refusal."""

    def __init__(self, new: Families) -> None:
        refusals = new.count("sluice_refusals", "Requests refused at the door.", "reason", "key").labels
        requests = new.count("sluice_key_requests", "Requests by the key they came with.", "key").labels
        messages = new.count("sluice_key_messages", "Messages that keys sent and that were let in.", "key").labels
        size = new.count("sluice_key_bytes", "Bytes of the bodies that brought them.", "key").labels
        self._use = Bounded(
            lambda key: _Use(*[new.tally(counter(key)) for counter in (requests, messages, size)]), MOST_KEYS, OTHER
        )
        self._name = Bounded(str, MOST_KEYS, OTHER)
        self._refusals = refusals
        self.limit_fallbacks = new.count(
            "sluice_limit_fallbacks", "Limits decided without Redis, which did not answer."
        )
        self.audit_lost = new.count("sluice_audit_lost", "Audit events that could not be written.")

    def refused(self, reason: str, key: str | None = None) -> None:
        """For one of a fixed set of reasons; `key` is the name of a key whose secret was right, if it was."""
        self._refusals(reason, self._name[key or UNKNOWN]).inc()

    def used(self, key: str | None) -> None:
        """A request was answered."""
        self._use[key or UNKNOWN].requests.total += 1

    def charged(self, key: str | None, messages: int, size: int) -> None:
        """Messages were let in, out of a body of so many bytes."""
        use = self._use[key or UNKNOWN]
        use.messages.total += messages
        use.size.total += size
