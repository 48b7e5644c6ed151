"""Damaged batches in the embedded log: reads name them, and neither loop nor skip."""

import time
from pathlib import Path

import apsw
import pytest
from support import publish, record

from app.brokers.sqlite.broker import SqliteBroker
from app.errors import PollFailed
from app.record import Limit, Position
from app.topic import TopicSpec

TOPIC = "unit.damage"
MANY = Limit(100, 1 << 20)


def broker_at(path: Path) -> SqliteBroker:
    return SqliteBroker(path, clock=time.time, dedupe_window_secs=600, dedupe_max_ids=1000)


@pytest.fixture
async def path(tmp_path) -> Path:
    """A log of three batches of two records."""
    log = broker_at(tmp_path / "log.db")
    await log.open()
    await log.create(TopicSpec(TOPIC, 2))
    for n in range(3):
        await publish(log, TOPIC, *(record(b"batch %d" % n, partition=1, event_id=f"{n}{m}" * 16) for m in range(2)))
    await log.close()
    return tmp_path / "log.db"


def change(path: Path, statement: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(statement)
    db.close()


async def read_with_damage(path: Path) -> None:
    log = broker_at(path)
    await log.open()
    first = await log.fetch(Position(TOPIC, 1, 0), MANY)
    assert [r.offset for r in first.records] == [0, 1]
    assert (first.next_offset, first.high_watermark) == (2, 6)
    with pytest.raises(PollFailed, match=f"offset 2 of topic '{TOPIC}', partition 1"):
        await log.fetch(Position(TOPIC, 1, first.next_offset), MANY)
    after = await log.fetch(Position(TOPIC, 1, 4), MANY)
    assert [r.offset for r in after.records] == [4, 5]
    [outcome] = await publish(log, TOPIC, record(partition=1))
    assert outcome.offset == 6
    await log.close()


async def test_a_flipped_bit_is_found(path):
    flipped = "CAST(replace(CAST(records AS TEXT), 'batch', 'Batch') AS BLOB)"
    change(path, f"UPDATE batch SET records = {flipped} WHERE base_offset = 2")
    await read_with_damage(path)


async def test_bytes_that_are_no_batch_are_found(path):
    change(path, "UPDATE batch SET records = x'c1', crc32 = 2746444292 WHERE base_offset = 2")
    await read_with_damage(path)


async def test_a_batch_that_is_missing_is_found(path):
    change(path, "DELETE FROM batch WHERE base_offset = 2")
    await read_with_damage(path)


async def test_a_missing_end_is_found(path):
    change(path, "DELETE FROM batch WHERE base_offset = 4")
    log = broker_at(path)
    await log.open()
    with pytest.raises(PollFailed, match="offset 4"):
        await log.fetch(Position(TOPIC, 1, 4), MANY)
    await log.close()


async def test_damaged_pages_are_a_failed_read_too(path):
    pages = bytearray(path.read_bytes())
    for start in range(4096 * 3, len(pages), 4096):
        pages[start : start + 64] = b"\xff" * 64
    path.write_bytes(pages)
    log = broker_at(path)
    try:
        await log.open()
    except Exception as error:  # noqa: BLE001  # the damage may hit what is needed to open it at all
        assert "can't be opened" in str(error)  # noqa: PT017
        return
    with pytest.raises(PollFailed):
        await log.fetch(Position(TOPIC, 1, 0), MANY)
    await log.close()
