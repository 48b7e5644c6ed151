"""Topics in use that one broker of several keeps alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.brokers.memory import MemoryBroker
from app.errors import Disconnected
from app.gateway.replication import MOST_TOPICS, Replication
from app.topic import TopicInfo, TopicSpec


class Cluster(MemoryBroker):
    """A log that says it has so many brokers, and which of them keep what."""

    def __init__(self, brokers: int) -> None:
        super().__init__(clock=time.time, dedupe_window_secs=0, dedupe_max_ids=1)
        self.brokers = brokers
        self.replicas: dict[str, tuple[int, ...]] = {}
        self.described: Callable[[], None] = lambda: None

    async def nodes(self) -> int:
        return self.brokers

    async def describe_many(self, topics: Sequence[str]) -> list[TopicInfo]:
        self.described()
        return [
            replace(info, partitions=tuple(replace(p, replicas=self.replicas[info.name]) for p in info.partitions))
            for info in await super().describe_many(topics)
        ]

    async def keep(self, topic: str, *replicas: int) -> None:
        self.replicas[topic] = replicas
        if topic not in await self.topics():
            await self.create(TopicSpec(topic, 2))


@pytest.fixture
async def cluster():
    cluster = Cluster(3)
    await cluster.keep("s.default", 1, 2, 3)
    await cluster.keep("s.alone", 2)
    return cluster


def replication(cluster: Cluster) -> Replication:
    return Replication(cluster, always="s.default")


async def test_only_topics_in_use_count(cluster):
    watch = replication(cluster)
    await watch.look()
    assert watch.unreplicated == ()
    watch.use("s.alone")
    await watch.look()
    assert watch.unreplicated == ("s.alone",)
    await cluster.keep("s.alone", 2, 3)
    await watch.look()
    assert watch.unreplicated == ()


async def test_the_default_topic_is_always_in_use(cluster):
    await cluster.keep("s.default", 1)
    watch = replication(cluster)
    await watch.look()
    assert watch.unreplicated == ("s.default",)


async def test_one_broker_can_not_keep_more_than_one_replica(cluster):
    cluster.brokers = 1
    watch = replication(cluster)
    watch.use("s.alone")
    await watch.look()
    assert watch.unreplicated == ()


async def test_names_that_are_no_topics_do_not_crowd_out_those_that_are(cluster):
    watch = replication(cluster)
    for n in range(MOST_TOPICS):
        watch.use(f"made.up{n}")
    watch.use("s.alone")
    await watch.look()
    watch.use("s.alone")
    await watch.look()
    assert watch.unreplicated == ("s.alone",)


async def test_a_topic_that_comes_into_use_during_a_look_is_in_the_next_one(cluster):
    watch = replication(cluster)
    cluster.described = lambda: watch.use("s.alone")
    await watch.look()
    cluster.described = lambda: None
    await watch.look()
    assert watch.unreplicated == ("s.alone",)


async def test_each_change_is_logged_once(cluster):
    watch = replication(cluster)
    watch.use("s.alone")
    with capture_logs() as logs:
        for replicas in ((2,), (2,), (2, 3), (2, 3)):
            await cluster.keep("s.alone", *replicas)
            await watch.look()
    assert [(line["log_level"], line["count"]) for line in logs] == [("warning", 1), ("info", 0)]


async def test_a_log_that_is_away_leaves_what_was_known(cluster):
    watch = replication(cluster)
    watch.use("s.alone")
    await watch.look()

    def away() -> None:
        raise Disconnected("away")

    cluster.described = away
    with pytest.raises(Disconnected):
        await watch.look()
    assert watch.unreplicated == ("s.alone",)
