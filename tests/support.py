"""What many tests use: names nobody else has, records, a deadline."""

import itertools
import time
import uuid

from app.broker import Log
from app.brokers.reconnecting.broker import ReconnectingBroker
from app.brokers.reconnecting.session import Listener, ReconnectPolicy, Session
from app.deadline import Deadlines
from app.record import Limit, NewRecord, Position, Record
from app.resilience.backoff import Backoff
from app.resilience.breaker import BreakerPolicy, CircuitBreaker

_numbers = itertools.count()


def fresh_topic(stream: str = "contract") -> str:
    return f"{stream}.t{next(_numbers)}-{uuid.uuid4().hex[:8]}"


def record(value: bytes | None = b"{}", *, partition: int = 0, now_ms: int | None = None, **rest) -> NewRecord:
    """A record as the gateway makes them: its id, if it has one, stands in a header, too."""
    if rest.get("event_id"):
        rest.setdefault("headers", (("event-id", rest["event_id"].encode()),))
    return NewRecord.of(partition, value, now_ms if now_ms is not None else int(time.time() * 1000), **rest)


def wrapped(
    inner: Log, *, longest_wait: float = 30, most_waiting: int = 1000, patience: dict | None = None, **policy
) -> ReconnectingBroker:
    """The broker that heals, over `inner`, with short pauses; `policy` is for its breaker."""

    async def answers() -> bool:
        return True

    breaker = CircuitBreaker(
        BreakerPolicy(**policy), clock=time.monotonic, changed=lambda _: None, rejected=lambda _: None
    )
    listener = Listener(
        state=lambda state, _: breaker.half_open() if state == "ready" else None,
        rebuild=lambda _: None,
        attempt=lambda: None,
    )
    reconnecting = ReconnectPolicy(Backoff(0.1, 0.2, random=lambda: 0.5), **(patience or {}))
    session = Session(inner, reconnecting, listener, answers)
    return ReconnectingBroker(inner, session, breaker, longest_wait=longest_wait, most_waiting=most_waiting)


async def publish(log: Log, topic: str, *records: NewRecord, seconds: float = 20):
    deadlines = Deadlines()
    deadline = deadlines.start(seconds)
    try:
        return await log.publish(topic, records, deadline)
    finally:
        deadlines.end(deadline)


async def read_all(log: Log, topic: str, partition: int = 0, *, step: int = 1000) -> list[Record]:
    """Every record of a partition from its start, by as many fetches as it takes."""
    found: list[Record] = []
    offset = 0
    while True:
        fetched = await log.fetch(Position(topic, partition, offset), Limit(step, 1 << 20))
        found += fetched.records
        if fetched.next_offset >= fetched.high_watermark:
            return found
        offset = fetched.next_offset
