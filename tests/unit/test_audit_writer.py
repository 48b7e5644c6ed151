"""The audit trail's writer waits for a log that is away, gives up what can't be written, and holds nobody up."""

import asyncio
import itertools
import json
import time
import uuid
from datetime import UTC, datetime

from support import read_all

from app.brokers.memory import MemoryBroker
from app.errors import DeadlineExceeded, Disconnected, MessageTooLarge, SluiceError
from app.event import EventEncoder
from app.gateway.audit import AUDIT_TOPIC, Audit, Who
from app.record import Failed
from app.telemetry.metrics import Metrics

PATIENCE = 30


class Faulty(MemoryBroker):
    """Answers the first publishes with these errors, as the outcome of each record."""

    def __init__(self, *errors: SluiceError) -> None:
        super().__init__(clock=time.time, retention_interval=1000, dedupe_window_secs=600, dedupe_max_ids=1000)
        self.errors = list(errors)

    async def publish(self, topic, records, deadline):
        if self.errors:
            return [Failed(self.errors.pop(0))] * len(records)
        return await super().publish(topic, records, deadline)


class Away(Faulty):
    """Out of reach until told otherwise."""

    back = False

    async def topics(self):
        if not self.back:
            raise Disconnected("away")
        return await super().topics()


def audit_of(log, **options) -> tuple[Audit, Metrics]:
    ids = (str(uuid.UUID(int=number)) for number in itertools.count(1))
    encoder = EventEncoder(now=lambda: datetime.now(UTC), new_id=lambda: next(ids))
    metrics = Metrics()
    options = {"clock": time.time, **options}
    return Audit(log, encoder, retention_ms=-1, metrics=metrics.door, pause=0.001, **options), metrics


def lost(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("sluice_audit_lost_total")


async def types(log) -> list[str]:
    return [json.loads(record.value)["event_type"] for record in await read_all(log, AUDIT_TOPIC)]


async def test_what_may_pass_is_tried_again_in_order_and_written_once():
    log = Faulty(Disconnected("away"), DeadlineExceeded("late", outcome="unknown"))
    await log.open()
    audit, metrics = audit_of(log)
    audit.tell("a", {})
    audit.start()
    audit.tell("b", {})
    async with asyncio.timeout(PATIENCE):
        await audit.flush()
    assert await types(log) == ["a", "gateway.started", "b"]
    assert lost(metrics) == 0
    await audit.stop(PATIENCE)
    await log.close()


async def test_what_the_log_refuses_for_good_is_counted_as_lost_and_holds_nothing_up():
    log = Faulty(MessageTooLarge("too large"))
    await log.open()
    audit, metrics = audit_of(log)
    audit.start()
    async with asyncio.timeout(PATIENCE):
        await audit.flush()
    audit.tell("b", {})
    await audit.stop(PATIENCE)
    assert lost(metrics) == 1
    assert await types(log) == ["b", "gateway.stopping"]
    await log.close()


async def test_a_log_that_is_away_fills_a_bounded_queue_and_gets_it_when_it_is_back():
    log = Away()
    await log.open()
    audit, metrics = audit_of(log, most_waiting=3)
    audit.start()
    for number in range(10):
        audit.tell(f"e{number}", {})
    assert lost(metrics) == 8
    log.back = True
    await audit.stop(PATIENCE)
    assert await types(log) == ["gateway.started", "e0", "e1"]
    await log.close()


async def test_a_stop_does_not_wait_for_ever_and_says_what_it_lost():
    log = Away()
    await log.open()
    audit, metrics = audit_of(log)
    audit.start()
    audit.tell("a", {})
    await audit.stop(0.01)
    assert lost(metrics) == 3
    await log.close()


async def test_a_topic_that_others_delete_is_made_anew():
    log = Faulty()
    await log.open()
    audit, _ = audit_of(log)
    audit.start()
    async with asyncio.timeout(PATIENCE):
        await audit.flush()
        await log.delete(AUDIT_TOPIC)
        audit.tell("b", {})
        await audit.flush()
    assert await types(log) == ["b"]
    await audit.stop(PATIENCE)
    await log.close()


async def test_what_a_key_is_refused_is_told_once_a_minute_with_the_number_between():
    log = Faulty()
    await log.open()
    now = [1_800_000_000.0]
    audit, _ = audit_of(log, clock=lambda: now[0])
    audit.start()
    for _ in range(500):
        audit.tell_refused("stream.deleted", {"resource": {}}, Who("shop", "::1", "r"))
    audit.tell_refused("topic.deleted", {"resource": {}}, Who("shop", "::1", "r"))
    audit.tell_refused("stream.deleted", {"resource": {}}, Who("other", "::1", "r"))
    now[0] += 60
    audit.tell_refused("stream.deleted", {"resource": {}}, Who("shop", "::1", "r"))
    async with asyncio.timeout(PATIENCE):
        await audit.flush()
    events = [json.loads(record.value) for record in await read_all(log, AUDIT_TOPIC)][1:]
    assert [
        (event["event_type"], data["who"]["key_id"], data["refused_before"])
        for event in events
        for data in [event["payload"]["data"]]
    ] == [
        ("stream.deleted", "shop", 0),
        ("topic.deleted", "shop", 0),
        ("stream.deleted", "other", 0),
        ("stream.deleted", "shop", 499),
    ]
    await audit.stop(PATIENCE)
    await log.close()
