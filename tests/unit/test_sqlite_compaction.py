"""What compaction does to the file, and what it leaves alone."""

import asyncio
from contextlib import asynccontextmanager

import apsw
import pytest
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.deadline import Deadlines
from app.errors import PollFailed
from app.gateway.registry import CATALOG_TOPIC, Registry
from app.record import Limit, Position
from app.topic import TopicSpec

WINDOW_SECS = 600


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(folder, clock, window_secs: int = WINDOW_SECS):
    log = SqliteBroker(
        folder / "log.db", clock=clock, dedupe_window_secs=window_secs, dedupe_max_ids=1000, retention_interval=0.01
    )
    await log.open()
    yield log
    await log.close()


async def compacted(log: SqliteBroker, **configs: str) -> None:
    eager = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
    await log.create(TopicSpec("s.t", 1, eager | {key.replace("_", "."): value for key, value in configs.items()}))


def version(clock: Clock, n: int):
    now_ms = int(clock() * 1000)
    return record(b"%d" % n, key=b"k", event_id=f"id-{n}", now_ms=now_ms)


def tombstone(clock: Clock):
    return record(None, key=b"k", now_ms=int(clock() * 1000))


async def left(log: SqliteBroker, count: int) -> list[int]:
    async with asyncio.timeout(20):
        while True:
            found = [r.offset for r in await read_all(log, "s.t")]
            if len(found) == count:
                return found
            await asyncio.sleep(0.01)


async def test_within_the_dedupe_window_everything_stays_and_repeats_are_known_after_a_restart(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock) as log:
        await compacted(log)
        await publish(log, "s.t", *(version(clock, n) for n in range(5)))
        await asyncio.sleep(0.1)
        assert await left(log, 5) == [0, 1, 2, 3, 4]
    async with opened(tmp_path, clock) as log:
        [again] = await publish(log, "s.t", version(clock, 2))
        assert (again.duplicate, again.offset) == (True, 2)
        clock.now += WINDOW_SECS + 1
        assert await left(log, 1) == [4]


async def test_a_repeat_whose_record_is_gone_is_a_new_record_once_the_window_is_over(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock) as log:
        await compacted(log)
        await publish(log, "s.t", *(version(clock, n) for n in range(3)))
        clock.now += WINDOW_SECS + 1
        assert await left(log, 1) == [2]
        [again] = await publish(log, "s.t", version(clock, 0))
        assert (again.duplicate, again.offset) == (False, 3)


async def test_batches_of_which_nothing_is_left_become_one(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock, 0) as log:
        await compacted(log)
        for n in range(60):
            await publish(log, "s.t", version(clock, n))
        assert await left(log, 1) == [59]
        fetched = await log.fetch(Position("s.t", 0, 0), Limit(10, 1000))
        assert (fetched.next_offset, fetched.high_watermark, fetched.log_start_offset) == (60, 60, 0)
    db = apsw.Connection(str(tmp_path / "log.db"))
    assert db.execute("SELECT count(*) FROM batch").get <= 4
    assert db.execute("SELECT sum(size) FROM batch").get == db.execute("SELECT size_bytes FROM partition").get
    db.close()


async def test_after_a_restart_compaction_goes_on(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock, 0) as log:
        await compacted(log)
        await publish(log, "s.t", *(version(clock, n) for n in range(3)))
        await left(log, 1)
        await publish(log, "s.t", version(clock, 3))
    async with opened(tmp_path, clock, 0) as log:
        assert await left(log, 1) == [3]


async def test_a_restart_gives_a_tombstone_no_more_time(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock, 0) as log:
        await compacted(log, delete_retention_ms="1000000")
        await publish(log, "s.t", version(clock, 0), tombstone(clock), record(b"1", key=b"other", now_ms=0))
        assert await left(log, 2) == [1, 2]
        clock.now += 500
    async with opened(tmp_path, clock, 0) as log:
        await asyncio.sleep(0.1)
        assert await left(log, 2) == [1, 2]
        clock.now += 501
        assert await left(log, 1) == [2]
        fetched = await log.fetch(Position("s.t", 0, 0), Limit(10, 1000))
        assert (fetched.next_offset, fetched.high_watermark) == (3, 3)
    db = apsw.Connection(str(tmp_path / "log.db"))
    assert db.execute("SELECT sum(size) FROM batch").get == db.execute("SELECT size_bytes FROM partition").get
    db.close()


async def test_the_catalog_shrinks_and_reads_the_same_after_a_restart(tmp_path):
    clock = Clock()
    deadlines = Deadlines()
    deadline = deadlines.start(60)
    async with opened(tmp_path, clock, 0) as log:
        registry = Registry(log)
        await registry.start()
        for n in range(20):
            assert await registry.add("shop", n, deadline)
            assert await registry.add("shop.orders", n, deadline)
            assert await registry.add("gone", n, deadline)
            await registry.remove("gone", n, deadline)
            if n < 19:
                await registry.remove("shop", n, deadline)
        before = registry.streams(), registry.find("shop.orders")
        async with asyncio.timeout(60):
            while len(await read_all(log, CATALOG_TOPIC)) > 12:  # of 99; the rest is not dirty enough
                await asyncio.sleep(0.01)
    deadlines.end(deadline)
    async with opened(tmp_path, clock, 0) as log:
        registry = Registry(log)
        await registry.start()
        assert (registry.streams(), registry.find("shop.orders")) == before
        assert list(registry.streams()) == ["shop"]


async def test_a_damaged_batch_stays_as_it_is_and_the_others_are_compacted(tmp_path):
    clock = Clock()
    async with opened(tmp_path, clock, 3600) as log:
        await compacted(log)
        for n in range(4):
            await publish(log, "s.t", version(clock, n))
    db = apsw.Connection(str(tmp_path / "log.db"))
    db.execute("UPDATE batch SET crc32 = crc32 + 1 WHERE base_offset = 1")
    db.close()
    async with opened(tmp_path, clock, 0) as log:
        async with asyncio.timeout(20):
            while (await log.fetch(Position("s.t", 0, 2), Limit(10, 1000))).records[0].offset != 3:
                await asyncio.sleep(0.01)
        with pytest.raises(PollFailed, match="offset 1"):
            await log.fetch(Position("s.t", 0, 0), Limit(10, 1000))
