"""Where records go on Kafka that have neither key nor partition."""

import asyncio

import pytest

from app.brokers.kafka.group_commit import LATE_SECONDS, GroupCommit, Part
from app.brokers.kafka.sticky import Sticky
from app.record import NewRecord

PARTITIONS = 3
ROOM = 1_000_000


class Topic:
    """Three partitions that take a batch at once and answer it when they are told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        """Of each its partition and how many records are in it."""
        self.on_their_way: dict[int, asyncio.Future] = {}
        self.queues = {("t", number): self._queue(number) for number in range(PARTITIONS)}
        self.spread = Sticky(self.queues)

    def _queue(self, number: int) -> GroupCommit:
        async def hand_over(records):
            self.spread.took_batch("t", number)
            self.batches.append((number, len(records)))
            self.on_their_way[number] = asyncio.get_running_loop().create_future()
            return self.on_their_way[number]

        return GroupCommit(hand_over, partition=number, on_failure=lambda _: None, on_delay=lambda: None)

    def send(self, size: int = 1) -> int:
        """Without a key; answers where it went."""
        partition = self.spread("t", PARTITIONS)
        self.put(partition, size)
        return partition

    def put(self, partition: int, size: int = 1) -> None:
        record = NewRecord.of(partition, b"v" * size, 1000)
        self.queues["t", partition].put(Part([record], record.framed), ROOM)

    async def late(self, *partitions: int) -> None:
        """Let these have batches that stay away."""
        for number in partitions:
            self.put(number)
        await asyncio.sleep(LATE_SECONDS + 0.02)

    async def answer(self, partition: int) -> None:
        self.on_their_way[partition].cancel()
        await turns()

    async def end(self) -> None:
        for delivery in self.on_their_way.values():
            delivery.cancel()
        await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def topic():
    made = Topic()
    yield made
    await made.end()


async def test_what_comes_together_makes_one_batch_and_the_next_partition_takes_the_next(topic):
    for size in (10, 7, 5):
        for _ in range(size):
            topic.send()
        await turns()
    assert [size for _, size in topic.batches] == [10, 7, 5]
    assert {partition for partition, _ in topic.batches} == {0, 1, 2}


async def test_a_partition_whose_batch_is_late_gets_nothing_while_another_is_not(topic):
    await topic.late(0, 1)
    assert {topic.spread("t", PARTITIONS) for _ in range(5)} == {2}


async def test_a_late_one_gets_its_share_again_when_its_batch_is_answered(topic):
    await topic.late(0, 1)
    await topic.answer(1)
    chosen = set()
    for _ in range(4):
        chosen.add(topic.send())
        await turns()
    assert chosen == {1, 2}


async def test_where_all_are_late_the_one_is_taken_for_which_the_least_is_waiting(topic):
    await topic.late(0, 1, 2)
    assert sorted(topic.send() for _ in range(6)) == [0, 0, 1, 1, 2, 2]


async def test_what_fills_a_batch_and_more_goes_to_others_too(topic):
    topic.put(0)
    await turns()
    assert {topic.send(ROOM // 4) for _ in range(9)} == {0, 1, 2}


async def test_batches_of_keyed_records_take_no_turn_away(topic):
    chosen = set()
    for _ in range(9):
        topic.put(0)
        await turns()
        chosen.add(topic.send())
        await turns()
        for partition in list(topic.on_their_way):
            await topic.answer(partition)
    assert chosen == {0, 1, 2}


async def test_fewer_partitions_than_before_are_no_trouble(topic):
    await topic.late(0, 1)
    assert topic.spread("t", PARTITIONS) == 2
    assert topic.spread("t", 2) in (0, 1)
    topic.spread.forget("t")
    await topic.answer(0)
    assert topic.spread("t", 2) == 0
