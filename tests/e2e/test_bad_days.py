"""Kafka goes away under load and comes back: what HTTP clients were told, held against what librdkafka then reads."""

import asyncio
import contextlib
import json
import re
import time
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from confluent_kafka import Consumer, TopicPartition
from gateways import serving

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CLIENTS = 32
PARTITIONS = 3


@dataclass
class Told:
    """What the clients heard. They never repeat a request."""

    written: dict[str, tuple[int, int]] = field(default_factory=dict)
    not_written: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    acknowledged_at: list[float] = field(default_factory=list)
    slowest: float = 0
    codes: Counter = field(default_factory=Counter)

    def hear(self, event_id: str, status: int, body: dict) -> None:
        if status == 201:
            self.written[event_id] = (body["partition"], body["offset"])
            self.acknowledged_at.append(time.monotonic())
        else:
            self.codes[body["error"]] += 1
            {"not_written": self.not_written, "unknown": self.unknown}[body["outcome"]].add(event_id)


async def client(session: ClientSession, url: str, told: Told, stop: asyncio.Event) -> None:
    while not stop.is_set():
        event_id = str(uuid.uuid4())
        event = {"id": event_id, "event_type": "bad.day", "payload": {"type": "Generic", "data": "x" * 100}}
        began = time.monotonic()
        try:
            async with session.post(f"{url}/messages", json={"event": event}) as answer:
                told.hear(event_id, answer.status, await answer.json())
                if answer.status == 503:
                    await asyncio.sleep(0.05)
        except (ClientError, TimeoutError):
            told.unanswered.add(event_id)
        told.slowest = max(told.slowest, time.monotonic() - began)
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def load(url: str):
    """Clients at work; afterwards all of them have their last answer."""
    told, stop = Told(), asyncio.Event()
    async with ClientSession(timeout=ClientTimeout(60)) as session:
        clients = [asyncio.ensure_future(client(session, url, told, stop)) for _ in range(CLIENTS)]
        try:
            yield told
        finally:
            stop.set()
            await asyncio.gather(*clients)


async def port_open(address: str) -> float:
    """The moment at which somebody listens there."""
    host, _, port = address.partition(":")
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            return time.monotonic()
        await asyncio.sleep(0.05)


def witnessed(address: str, topic: str) -> dict[tuple[int, int], str]:
    """Every record's place and event id, as librdkafka reads them."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": f"w-{uuid.uuid4()}", "enable.auto.commit": False})
    found: dict[tuple[int, int], str] = {}
    try:
        ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=20)[1] for n in range(PARTITIONS)}
        consumer.assign([TopicPartition(topic, n, 0) for n in range(PARTITIONS)])
        while len(found) < sum(ends.values()):
            messages = consumer.consume(10_000, timeout=10)
            assert messages
            found |= {(m.partition(), m.offset()): json.loads(m.value())["id"] for m in messages}
    finally:
        consumer.close()
    return found


def metric(url: str, name: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def check(told: Told, found: dict[tuple[int, int], str]) -> None:
    assert told.unanswered == set()
    lost = {event_id for event_id, place in told.written.items() if found.get(place) != event_id}
    assert lost == set()
    ids = Counter(found.values())
    assert [event_id for event_id, count in ids.items() if count > 1] == []
    assert told.not_written & ids.keys() == set()


@pytest.mark.parametrize("deadline", ["30", "5"])
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_kafka_is_away_for_eight_seconds(tmp_path, own_kafka, how, deadline):
    stream = f"bad-{uuid.uuid4().hex[:8]}"
    settings = {"BROKER_URL": f"kafka://{own_kafka.address}", "DEFAULT_STREAM": stream}
    with serving(tmp_path, OPERATION_TIMEOUT_SECS=deadline, **settings) as (url, process):
        async with load(url) as told:
            await asyncio.sleep(2)
            before = len(told.written)
            await asyncio.to_thread(getattr(own_kafka, how))
            await asyncio.sleep(8)
            watch = asyncio.ensure_future(port_open(own_kafka.address))
            await asyncio.to_thread(own_kafka.start)
            served_at = await watch
            await asyncio.sleep(6)
        back_at = next(at for at in told.acknowledged_at if at >= served_at)
        rebuilds = metric(url, "sluice_connection_rebuilds_total")
        assert process.poll() is None
        found = await asyncio.to_thread(witnessed, own_kafka.address, f"{stream}.events")
        print(
            f"{how}, deadline {deadline} s: {len(told.written)} acknowledged ({before} before), "
            f"{len(told.not_written)} not written, {len(told.unknown)} unknown, {dict(told.codes)}; first "
            f"acknowledgement {back_at - served_at:.2f} s after the port, {rebuilds:.0f} rebuilds, "
            f"slowest answer {told.slowest:.1f} s, {len(found)} records"
        )
        check(told, found)
        assert before > 0
        assert back_at - served_at <= 3
        assert rebuilds <= 3
        assert told.slowest <= float(deadline) + 1
