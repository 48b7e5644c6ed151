"""Tails over a log in memory: who joins when, what waits, when it ends."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from support import publish

from app.api.feeds.tailed import item_of
from app.brokers.memory import MemoryBroker
from app.errors import Disconnected, NotFound, ShuttingDown
from app.gateway.live.live import Live
from app.gateway.live.start import Ask
from app.names import TopicName
from app.record import NewRecord
from app.topic import TopicSpec

TOPIC = TopicName("unit", "live")


class Log(MemoryBroker):
    """It counts fetches, and can be away."""

    def __init__(self) -> None:
        super().__init__(clock=time.time, dedupe_window_secs=0, dedupe_max_ids=1)
        self.fetches = 0
        self.away = False

    async def fetch(self, at, limit, wait=0):
        self.fetches += 1
        if self.away:
            raise Disconnected("away")
        return await super().fetch(at, limit, wait)

    async def write(self, *values: bytes, partition: int = 0) -> None:
        await publish(self, TOPIC.full, *(NewRecord.of(partition, value, 0) for value in values))


@asynccontextmanager
async def live(*, beat: float = 60, most_bytes: int = 1 << 20, partitions: int = 1):
    log = Log()
    await log.open()
    await log.create(TopicSpec(TOPIC.full, partitions, {}))
    refused: list[int] = []
    yield (
        log,
        Live(
            log,
            render=item_of,
            most_bytes=most_bytes,
            group_prefix="http-",
            refused=lambda: refused.append(1),
            beat=beat,
        ),
    )
    assert not refused
    await log.close()


@asynccontextmanager
async def tail(feeds: Live, ask: Ask = Ask()):  # noqa: B008  # immutable
    async with feeds.open(TOPIC, ask, await feeds.start(TOPIC, ask)) as opened:
        yield opened


async def offsets(opened, count: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            page = await opened.next()
            found += [(page.partition, item.offset) for item in page.items] if page else []
    return found


async def test_a_thousand_who_listen_cost_one_fetch_a_page():
    async with live() as (log, feeds):
        opened = [tail(feeds) for _ in range(1000)]
        tails = [await one.__aenter__() for one in opened]
        waiting = [asyncio.ensure_future(one.next()) for one in tails]
        await asyncio.sleep(0.05)
        before = log.fetches
        await log.write(b"{}", b"{}")
        pages = await asyncio.gather(*waiting)
        assert len({id(page) for page in pages}) == 1
        assert log.fetches - before <= 1
        for one in opened:
            await one.__aexit__(None, None, None)
        assert len(feeds.feeds) == 0


async def test_who_comes_a_little_late_gets_what_was_kept():
    async with live() as (log, feeds), tail(feeds) as first:
        start = await feeds.start(TOPIC, Ask())
        waiting = asyncio.ensure_future(first.next())
        await asyncio.sleep(0)
        await log.write(b"{}", b"{}")
        await waiting
        fetches = log.fetches
        async with feeds.open(TOPIC, Ask(), start) as late:
            assert await offsets(late, 2) == [(0, 0), (0, 1)]
        assert log.fetches <= fetches + 1


async def test_what_is_more_than_may_wait_is_read_again_without_a_gap():
    async with live(most_bytes=200) as (log, feeds), tail(feeds) as slow:
        waiting = asyncio.ensure_future(slow.next())
        await asyncio.sleep(0)
        for n in range(50):
            await log.write(b'{"n":%d}' % n)
            await asyncio.sleep(0.001)
        found = [item.offset for item in (await waiting).items]
        assert slow.overflowed
        found += [offset for _, offset in await offsets(slow, 50 - len(found))]
        assert found == list(range(50))
        assert not slow.overflowed
        await log.write(b"{}")
        assert await offsets(slow, 1) == [(0, 50)]


async def test_a_beat_comes_when_nothing_else_does_and_finds_new_partitions():
    async with live(beat=0.1) as (log, feeds), tail(feeds) as opened:
        assert await opened.next() is None
        await log.alter(TOPIC.full, partitions=3, configs={})
        await log.write(b"{}", partition=2)
        assert await offsets(opened, 1) == [(2, 0)]


async def test_a_tail_of_one_partition_stays_with_it():
    async with live(beat=0.1) as (log, feeds), tail(feeds, Ask(partition=0)) as opened:
        await log.alter(TOPIC.full, partitions=3, configs={})
        await log.write(b"{}", partition=2)
        assert [await opened.next() for _ in range(3)] == [None] * 3


async def test_a_stop_ends_tails_at_once_and_those_that_come_after():
    async with live() as (_, feeds), tail(feeds) as opened:
        waiting = asyncio.ensure_future(opened.next())
        await asyncio.sleep(0)
        feeds.stop()
        with pytest.raises(ShuttingDown):
            await waiting
        with pytest.raises(ShuttingDown):
            await feeds.start(TOPIC, Ask())


async def test_what_came_before_the_end_is_told_first():
    async with live() as (log, feeds), tail(feeds) as opened:
        waiting = asyncio.ensure_future(opened.next())
        await asyncio.sleep(0.01)
        await log.write(b"{}")
        await waiting
        await log.write(b"{}")
        await asyncio.sleep(0.01)
        await log.delete(TOPIC.full)
        await asyncio.sleep(0.01)
        assert [item.offset for item in (await opened.next()).items] == [1]
        with pytest.raises(NotFound):
            await opened.next()


async def test_a_broker_that_is_away_is_waited_for():
    async with live(beat=0.2) as (log, feeds):
        await log.write(b"{}")
        async with tail(feeds, Ask(begin="earliest")) as opened:
            log.away = True
            assert await opened.next() is None
            log.away = False
            assert await offsets(opened, 1) == [(0, 0)]


async def test_a_topic_made_anew_ends_the_tails_of_the_old_one():
    async with live() as (log, feeds):
        await log.write(b"{}", b"{}")
        async with tail(feeds) as opened:
            await log.delete(TOPIC.full)
            await log.create(TopicSpec(TOPIC.full, 1, {}))
            await log.write(b"{}")
            with pytest.raises(NotFound, match="anew"):
                await opened.next()
