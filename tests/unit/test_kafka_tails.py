"""Following a partition's end for many who wait, on record batches as a broker sends them."""

import asyncio

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from app.brokers.kafka.stretch import Piece
from app.brokers.kafka.tails import KEPT_BYTES, Tails
from app.errors import NotFound
from app.record import Limit, Position

AT = Position("unit.tails", 0, 0)
ALL = Limit(1000, 10 << 20)


class Partition:
    """A partition at a broker: `look` answers a fetch, after at most `seconds`. It counts them."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.looks = 0
        self.gone = False
        self.start = 0
        self._grew = asyncio.Event()

    def write(self, *values: bytes) -> None:
        self.values += values
        self._grew.set()

    async def look(self, at: Position, limit: Limit, seconds: float) -> tuple[Piece, Position]:
        self.looks += 1
        if at.offset >= len(self.values):
            self._grew.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._grew.wait()
            except TimeoutError:
                pass
        if self.gone:
            raise NotFound("gone")
        end = len(self.values)
        at = at._replace(offset=max(min(at.offset, end), self.start))
        return Piece(end, self.start, [], self._batch(at.offset, min(end, at.offset + limit.count))), at

    def _batch(self, first: int, end: int) -> bytes:
        if first >= end:
            return b""
        batch = BatchBuilder(100 << 20, 0)
        for value in self.values[first:end]:
            batch.append(timestamp=1, key=None, value=value)
        data = bytearray(batch._build())  # noqa: SLF001  # what a producer does
        data[:8] = first.to_bytes(8)  # the broker sets the base offset, which no checksum covers
        return bytes(data)


async def test_a_thousand_who_wait_cost_one_fetch():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = [asyncio.ensure_future(tail.fetch(0, ALL, 10)) for _ in range(1000)]
    await asyncio.sleep(0.05)
    partition.write(b"a", b"b")
    found = await asyncio.gather(*waiting)
    assert all([r.value for r in fetched.records] == [b"a", b"b"] for fetched in found)
    assert {fetched.next_offset for fetched in found} == {2}
    assert len({id(fetched.shared) for fetched in found}) == 1
    assert partition.looks <= 2  # the second is for those who come next
    await tails.close()


async def test_who_comes_a_little_late_gets_what_was_kept():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = asyncio.ensure_future(tail.fetch(0, ALL, 10))
    await asyncio.sleep(0)
    partition.write(*(b"%d" % n for n in range(10)))
    await waiting
    follower = asyncio.ensure_future(tail.fetch(10, ALL, 10))
    await asyncio.sleep(0.01)
    late = tails.at(AT._replace(offset=4))
    fetched = await late.fetch(4, Limit(3, 1 << 20), 10)
    assert [r.offset for r in fetched.records] == [4, 5, 6]
    assert fetched.next_offset == 7
    assert tails.at(AT._replace(offset=11)) is None
    follower.cancel()
    await tails.close()


async def test_who_wants_another_part_gets_another_page():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = [asyncio.ensure_future(tail.fetch(0, Limit(count, 1 << 20), 10)) for count in range(1, 31)]
    await asyncio.sleep(0.05)
    partition.write(*(b"%d" % n for n in range(30)))
    found = await asyncio.gather(*waiting)
    assert [[r.offset for r in fetched.records] for fetched in found] == [list(range(n)) for n in range(1, 31)]
    follower = asyncio.ensure_future(tail.fetch(30, ALL, 10))
    await asyncio.sleep(0.01)
    partition.write(b"30")
    assert [r.offset for r in (await follower).records] == [30]
    assert [r.offset for r in (await tail.fetch(29, Limit(30, 1 << 20), 10)).records] == [29, 30]
    await tails.close()


async def test_what_is_kept_is_bounded():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = asyncio.ensure_future(tail.fetch(0, ALL, 10))
    await asyncio.sleep(0)
    partition.write(*(b"x" * (KEPT_BYTES // 4) for _ in range(6)))
    await waiting
    follower = asyncio.ensure_future(tail.fetch(6, ALL, 10))
    await asyncio.sleep(0.05)
    assert not tail.covers(0)
    assert tail.covers(6)
    follower.cancel()
    await tails.close()


async def test_of_a_topic_made_anew_nothing_old_is_shown():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = asyncio.ensure_future(tail.fetch(0, ALL, 10))
    await asyncio.sleep(0)
    partition.write(b"old", b"old", b"old")
    await waiting
    partition.values.clear()
    follower = asyncio.ensure_future(tail.fetch(3, ALL, 10))
    partition.write(b"new")
    assert (await follower).records == []
    assert not tail.covers(0)
    follower = asyncio.ensure_future(tail.fetch(1, ALL, 10))
    await asyncio.sleep(0)
    partition.write(b"newer")
    assert [r.value for r in (await follower).records] == [b"newer"]
    await tails.close()


async def test_deleted_records_are_shown_no_more():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = asyncio.ensure_future(tail.fetch(0, ALL, 10))
    await asyncio.sleep(0)
    partition.write(b"0", b"1", b"2")
    await waiting
    follower = asyncio.ensure_future(tail.fetch(3, ALL, 10))
    await asyncio.sleep(0)
    partition.start = 2
    partition.write(b"3")
    await follower
    assert not tail.covers(1)
    assert [r.value for r in (await tail.fetch(2, ALL, 10)).records] == [b"2", b"3"]
    await tails.close()


async def test_nobody_waiting_ends_it():
    partition = Partition()
    tails = Tails(partition.look)
    fetched = await tails.start(AT).fetch(0, ALL, 0.1)
    assert (fetched.records, fetched.next_offset) == ([], 0)
    await asyncio.sleep(1.2)
    assert len(tails) == 0
    assert partition.looks <= 3


async def test_all_who_wait_hear_that_the_topic_is_gone():
    partition = Partition()
    tails = Tails(partition.look)
    tail = tails.start(AT)
    waiting = [asyncio.ensure_future(tail.fetch(0, ALL, 10)) for _ in range(3)]
    await asyncio.sleep(0.05)
    partition.gone = True
    partition.write(b"")
    for call in waiting:
        with pytest.raises(NotFound):
            await call
    assert len(tails) == 0
