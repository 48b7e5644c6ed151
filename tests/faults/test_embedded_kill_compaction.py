"""The embedded log's process is killed while it compacts: of each key the newest acknowledged record is there."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.topic import TopicSpec

TOPIC = "faults.compaction"
KEYS = 20
ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))
ROOT = Path(__file__).parents[2]


def broker_on(folder: Path) -> SqliteBroker:
    return SqliteBroker(
        folder / "log.db", clock=time.time, dedupe_window_secs=0, dedupe_max_ids=1, retention_interval=0.005
    )


async def publish_forever(folder: Path) -> None:
    """The victim: raises the number under each key again and again, and prints what was acknowledged."""
    log = broker_on(folder)
    await log.open()
    if TOPIC not in await log.topics():
        await log.create(TopicSpec(TOPIC, 1, {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}))
    before = [int(stored.value.split()[0]) for stored in await read_all(log, TOPIC)]
    for number in itertools.count(max(before, default=0) + 1):
        new = [record(b"%d %s" % (number, b"x" * 500), key=b"%d" % key) for key in range(KEYS)]
        await publish(log, TOPIC, *new)
        os.write(1, b"%d\n" % number)


def kill_one(folder: Path) -> int:
    """Start a victim, kill it in the midst of its work; the last number it had acknowledged."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, __file__, folder], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as victim:
        lines = [victim.stdout.readline()]
        time.sleep(random.uniform(0.1, 0.5))
        os.kill(victim.pid, signal.SIGKILL)
        lines += victim.stdout.readlines()
    return int([line for line in lines if line.endswith("\n")][-1])


async def check(folder: Path, acknowledged: int) -> int:
    """Nothing is older than it may be; answers how many records there are."""
    log = broker_on(folder)
    await log.open()
    found = await read_all(log, TOPIC)
    newest = {stored.key: int(stored.value.split()[0]) for stored in found}
    assert len(newest) == KEYS
    assert all(number >= acknowledged for number in newest.values())
    offsets = [stored.offset for stored in found]
    assert offsets == sorted(set(offsets))
    await log.close()
    return len(found)


def test_the_newest_record_of_each_key_survives(tmp_path):
    acknowledged, compacted = 0, False
    for _ in range(ROUNDS):
        acknowledged = kill_one(tmp_path)
        compacted |= asyncio.run(check(tmp_path, acknowledged)) < acknowledged * KEYS
    assert compacted
    db = apsw.Connection(str(tmp_path / "log.db"))
    assert db.pragma("integrity_check") == "ok"
    assert db.execute("SELECT sum(size) FROM batch").get == db.execute("SELECT size_bytes FROM partition").get
    db.close()


if __name__ == "__main__":
    asyncio.run(publish_forever(Path(sys.argv[1])))
