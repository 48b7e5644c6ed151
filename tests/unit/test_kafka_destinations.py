"""What a send has to know of its topic: how long it is taken for true."""

import asyncio
from types import SimpleNamespace

import pytest

from app.brokers.kafka.destinations import Destinations
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.reading import LATEST
from app.brokers.kafka.repeats import Repeats
from app.errors import Disconnected, NotFound
from app.record import BATCH_HEADER

TOPIC = "t"


class Cluster:
    """One topic of so many partitions, configured so. Counts who asks for them; answers nobody unless it is
    `free`. `before_last` is called before a window's last question is answered."""

    def __init__(self) -> None:
        self.partitions = 3
        self.configs: dict[str, str] = {}
        self.gone = False
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()
        self.before_last = lambda: None

    async def metadata(self, topics, *, node=None):
        self.asked += 1
        await self.free.wait()
        rows = [(0, number, 0, [0], [0]) for number in range(self.partitions)]
        return SimpleNamespace(topics=[(3 if self.gone else 0, name, False, rows) for name in topics])

    async def send_to_any(self, _request):
        return SimpleNamespace(resources=[(0, "", 2, TOPIC, [(*each, False, 1) for each in self.configs.items()])])

    async def ends(self, _topic, time_ms):
        if time_ms == LATEST:
            self.before_last()
        return dict.fromkeys(range(self.partitions), 0)


class Bench:
    """A topic of which aiokafka's producer knows `known` partitions."""

    def __init__(self, *, known: int, window_ms: int = 1000) -> None:
        self.cluster = Cluster()
        self.now = 100.0
        self.directory = Directory(self.cluster, clock=lambda: self.now)
        self.repeats = Repeats(self.directory, self.cluster, window_ms=window_ms, max_ids=10)
        self.destinations = Destinations(self.directory, self.repeats, request_timeout=1, clock=lambda: self.now)
        partitions_for_topic = {TOPIC: set(range(known))}.get
        self.producer = SimpleNamespace(
            client=SimpleNamespace(cluster=SimpleNamespace(partitions_for_topic=partitions_for_topic))
        )

    async def find(self, *wanted: int):
        return await self.destinations.find(self.producer, TOPIC, set(wanted), 1000)


async def test_what_was_found_is_known_without_asking():
    bench = Bench(known=2)
    bench.cluster.configs = {"max.message.bytes": "1000"}
    assert bench.destinations.known(TOPIC) is None
    found = await bench.find(0)
    assert bench.destinations.known(TOPIC) is found
    assert found.partitions == {0, 1}
    assert found.room + BATCH_HEADER == found.config.max_message_bytes == 1000
    assert found.repeats is await bench.repeats.fill(TOPIC, 1000) is not None


async def test_a_partition_that_is_gone_is_no_destination_whatever_aiokafka_thinks():
    bench = Bench(known=7)
    assert (await bench.find(2)).partitions == {0, 1, 2}
    with pytest.raises(NotFound):
        await bench.find(6)


@pytest.mark.parametrize("forget", [Directory.forget, Directory.moved])
async def test_it_is_looked_at_anew_once_the_directory_forgot_it(forget):
    bench = Bench(known=3)
    await bench.find(0)
    forget(bench.directory, TOPIC)
    assert bench.destinations.known(TOPIC) is None


async def test_where_no_repeats_are_kept_there_are_none():
    assert (await Bench(known=3, window_ms=0).find(0)).repeats is None


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_while_it_is_sent_to_it_is_found_anew_before_that_is_over_and_no_send_waits():
    bench = Bench(known=3)
    await bench.find(0)
    for _ in range(20):
        bench.now += 0.4
        assert bench.destinations.known(TOPIC) is not None
        await turns()
    assert bench.cluster.asked <= 1 + 10


async def test_one_that_is_not_sent_to_is_not_asked_for_and_is_known_no_more():
    bench = Bench(known=3)
    await bench.find(0)
    bench.now += 0.5
    assert bench.destinations.known(TOPIC) is not None
    bench.now += 0.5
    assert bench.destinations.known(TOPIC) is None
    assert bench.cluster.asked == 1


async def test_what_is_found_anew_counts_from_when_it_was_asked_for():
    bench = Bench(known=3)
    found = await bench.find(0)
    bench.cluster.partitions, bench.cluster.free = 2, asyncio.Event()
    bench.now += 0.8
    assert bench.destinations.known(TOPIC) is found
    await turns()
    bench.now += 0.1
    bench.cluster.free.set()
    await turns()
    assert bench.destinations.known(TOPIC).partitions == {0, 1}
    bench.cluster.free.clear()
    bench.now += 0.85
    assert bench.destinations.known(TOPIC) is not None
    bench.now += 0.1
    assert bench.destinations.known(TOPIC) is None


async def test_a_topic_that_is_gone_is_known_no_longer_than_if_nobody_had_asked_before():
    bench = Bench(known=3)
    found = await bench.find(0)
    bench.cluster.gone = True
    for _ in range(2):
        bench.now += 0.4
        assert bench.destinations.known(TOPIC) is found
        await turns()
    bench.now += 0.15
    assert bench.destinations.known(TOPIC) is found
    await turns()
    assert bench.cluster.asked == 2
    bench.now += 0.1
    assert bench.destinations.known(TOPIC) is None
    with pytest.raises(NotFound):
        await bench.find(0)


@pytest.mark.parametrize("forget", ["directory", "destinations"])
async def test_what_is_forgotten_while_it_is_found_anew_stays_forgotten(forget):
    bench = Bench(known=3)
    await bench.find(0)
    bench.cluster.free.clear()
    bench.now += 0.8
    bench.destinations.known(TOPIC)
    await turns()
    getattr(bench, forget).forget(TOPIC)
    bench.cluster.free.set()
    await turns()
    assert bench.destinations.known(TOPIC) is None


@pytest.mark.parametrize(("forget", "error"), [(Repeats.clear, Disconnected), (Repeats.forget, NotFound)])
async def test_a_window_that_is_forgotten_right_after_it_was_filled_is_not_gone_without(forget, error):
    bench, loop = Bench(known=3), asyncio.get_running_loop()

    def forget_soon() -> None:
        if forget is Repeats.clear:
            loop.call_soon(loop.create_task, bench.repeats.clear())
        else:
            loop.call_soon(bench.repeats.forget, TOPIC)

    bench.cluster.before_last = forget_soon
    with pytest.raises(error):
        await bench.find(0)
    assert bench.destinations.known(TOPIC) is None
    bench.cluster.before_last = lambda: None
    assert (await bench.find(0)).repeats is not None


@pytest.mark.parametrize(("forget", "error"), [(Repeats.clear, Disconnected), (Repeats.forget, NotFound)])
async def test_all_who_wait_for_a_window_are_told_why_they_wait_in_vain_and_nobody_reads_on(forget, error):
    bench, never, left = Bench(known=3), asyncio.Event(), []

    async def read(_topic, _time_ms):
        try:
            await never.wait()
        finally:
            left.append(True)

    bench.cluster.ends = read
    finding = [asyncio.ensure_future(bench.find(0)) for _ in range(3)]
    await turns()
    if forget is Repeats.clear:
        await bench.repeats.clear()
    else:
        bench.repeats.forget(TOPIC)
    assert {type(found) for found in await asyncio.gather(*finding, return_exceptions=True)} == {error}
    assert left == [True]
