"""What the embedded log lets go of, and that the file shrinks."""

import asyncio
import time

import apsw
from support import publish, record

from app.brokers.sqlite.broker import SqliteBroker
from app.brokers.sqlite.jobs import Cut
from app.brokers.sqlite.retention import PIECE_BYTES, StoredBatch, cut
from app.topic import TopicConfigs, TopicSpec

BATCHES = [StoredBatch(base_offset=n * 10, length=10, max_timestamp_ms=1000 * n, size=100) for n in range(5)]


def policy(**configs: int) -> TopicConfigs:
    return TopicConfigs.read({"retention.ms": "-1", **{k.replace("_", "."): str(v) for k, v in configs.items()}})


def test_a_batch_leaves_when_its_newest_record_is_too_old():
    assert cut(BATCHES, policy(retention_ms=2500), 500, now_ms=4000) == Cut(20, 200)
    assert cut(BATCHES, policy(retention_ms=4000), 500, now_ms=4000) is None


def test_a_batch_leaves_when_enough_remains_without_it():
    assert cut(BATCHES, policy(retention_bytes=250), 500, now_ms=0) == Cut(20, 200)
    assert cut(BATCHES, policy(retention_bytes=500), 500, now_ms=0) is None
    assert cut(BATCHES, policy(retention_bytes=0), 500, now_ms=0) == Cut(50, 500)


def test_an_older_batch_behind_a_younger_one_waits_for_it():
    mixed = [StoredBatch(0, 1, 9000, 10), StoredBatch(1, 1, 0, 10)]
    assert cut(mixed, policy(retention_ms=1000), 20, now_ms=9500) is None


def test_one_piece_at_a_time():
    large = [StoredBatch(n, 1, 0, PIECE_BYTES // 2) for n in range(5)]
    assert cut(large, policy(retention_ms=0), 0, now_ms=1) == Cut(2, PIECE_BYTES)


async def test_a_deleted_topics_space_is_given_back(tmp_path):
    path = tmp_path / "log.db"
    log = SqliteBroker(path, clock=time.time, dedupe_window_secs=0, dedupe_max_ids=0, retention_interval=0.05)
    await log.open()
    await log.create(TopicSpec("unit.large", 1))
    for _ in range(20):
        await publish(log, "unit.large", *(record(b"x" * 10_000) for _ in range(50)))
    assert (await log.describe("unit.large")).size_bytes > 10_000_000
    await log.delete("unit.large")
    watch = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    async with asyncio.timeout(10):
        while watch.pragma("page_count") > 500 or watch.execute("SELECT count(*) FROM dropped").get:
            await asyncio.sleep(0.02)
    watch.close()
    await log.close()
    assert path.stat().st_size < 2_000_000
