"""What is asked of a cluster about its topics, and how often."""

import asyncio
from types import SimpleNamespace

import pytest

from app.brokers.kafka.directory import Directory
from app.errors import NotFound


class Cluster:
    """Answers metadata requests for topics of `partitions`, and counts them."""

    def __init__(self) -> None:
        self.partitions = 1
        self.asked = 0

    async def metadata(self, topics, *, node=None):
        self.asked += 1
        await asyncio.sleep(0)
        rows = [(0, number, 0, [0], [0]) for number in range(self.partitions)]
        return SimpleNamespace(topics=[(0, name, False, rows) for name in topics])


async def test_many_who_want_a_partition_that_is_not_there_ask_once_more():
    cluster = Cluster()
    directory = Directory(cluster)
    wanted = [directory.partition("t", 7) for _ in range(50)]
    found = await asyncio.gather(*wanted, return_exceptions=True)
    assert {type(error) for error in found} == {NotFound}
    for _ in range(50):
        assert len(await directory.again("t")) == 1
        with pytest.raises(NotFound, match="partition 7 does not exist"):
            await directory.partition("t", 7)
    assert cluster.asked == 2


async def test_a_new_partition_is_found_by_the_first_who_wants_it():
    cluster = Cluster()
    directory = Directory(cluster)
    await directory.partition("t", 0)
    cluster.partitions = 2
    assert (await directory.partition("t", 1)).leader == 0


async def test_what_we_changed_ourselves_is_asked_for_anew():
    cluster = Cluster()
    directory = Directory(cluster)
    with pytest.raises(NotFound):
        await directory.partition("t", 1)
    cluster.partitions = 2
    directory.forget("t")
    assert (await directory.partition("t", 1)).leader == 0
