"""What a send has to know of its topic: how long it is taken for true."""

from types import SimpleNamespace

import pytest

from app.brokers.kafka.destinations import Destinations
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.repeats import Repeats
from app.errors import NotFound
from app.record import BATCH_HEADER

TOPIC = "t"


class Cluster:
    """One topic of so many partitions, configured so."""

    def __init__(self) -> None:
        self.partitions = 3
        self.configs: dict[str, str] = {}

    async def metadata(self, topics, *, node=None):
        rows = [(0, number, 0, [0], [0]) for number in range(self.partitions)]
        return SimpleNamespace(topics=[(0, name, False, rows) for name in topics])

    async def send_to_any(self, _request):
        return SimpleNamespace(resources=[(0, "", 2, TOPIC, [(*each, False, 1) for each in self.configs.items()])])

    async def ends(self, _topic, _time_ms):
        return dict.fromkeys(range(self.partitions), 0)


class Bench:
    """A topic of which aiokafka's producer knows `known` partitions."""

    def __init__(self, *, known: int, window_ms: int = 1000) -> None:
        self.cluster = Cluster()
        self.directory = Directory(self.cluster)
        self.repeats = Repeats(self.directory, self.cluster, window_ms=window_ms, max_ids=10)
        self.destinations = Destinations(self.directory, self.repeats, request_timeout=1)
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
    assert found.repeats is bench.repeats.ready(TOPIC) is not None


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
