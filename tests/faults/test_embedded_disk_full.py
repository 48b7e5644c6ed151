"""The embedded log on a disk that runs full: it says so, keeps what it has, and goes on when there is room again."""

import subprocess
import time
import uuid

import apsw
import pytest
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.errors import StorageFull
from app.record import Failed, Written
from app.topic import TopicSpec

TOPIC = "faults.full"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def broker_on(folder) -> SqliteBroker:
    return SqliteBroker(folder / "log.db", clock=time.time, dedupe_window_secs=600, dedupe_max_ids=10_000)


async def fill(log) -> list[bytes]:
    """Publish until the disk is full; the values that were taken."""
    taken = []
    for n in range(1000):
        value = b"%06d" % n + b"x" * 20_000
        [outcome] = await publish(log, TOPIC, record(value, event_id=str(uuid.uuid4())))
        if isinstance(outcome, Failed):
            assert isinstance(outcome.error, StorageFull)
            assert outcome.error.outcome == "not_written"
            return taken
        taken.append(value)
    raise AssertionError("the disk never ran full")


async def test_full_is_told_and_ends_when_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * (1 << 20))
    log = broker_on(small_disk)
    await log.open()
    await log.create(TopicSpec(TOPIC, 1))
    taken = await fill(log)
    event_id = str(uuid.uuid4())
    for _ in range(3):
        [refused] = await publish(log, TOPIC, record(b"x" * 50_000, event_id=event_id))
        assert isinstance(refused.error, StorageFull)
    with pytest.raises(StorageFull):
        await log.create(TopicSpec("faults.another", 1000))
    assert [r.value for r in await read_all(log, TOPIC)] == taken

    ballast.unlink()
    [outcome] = await publish(log, TOPIC, record(b"room again", event_id=event_id))
    assert outcome == Written(0, len(taken), outcome.timestamp_ms)
    await log.close()

    db = apsw.Connection(str(small_disk / "log.db"))
    assert db.pragma("integrity_check") == "ok"
    db.close()
    log = broker_on(small_disk)
    await log.open()
    assert [r.value for r in await read_all(log, TOPIC)] == [*taken, b"room again"]
    assert list(await log.topics()) == [TOPIC]
    await log.close()
