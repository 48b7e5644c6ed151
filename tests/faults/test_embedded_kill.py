"""The embedded log's process is killed at random moments: whatever was acknowledged is there, each id once."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import apsw
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.topic import TopicSpec

TOPIC = "faults.kill"
PARTITIONS = 3
ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
ROOT = Path(__file__).parents[2]

Places = dict[str, tuple[int, int]]


def broker_on(folder: Path) -> SqliteBroker:
    return SqliteBroker(
        folder / "log.db", clock=time.time, dedupe_window_secs=3600, dedupe_max_ids=1_000_000, retention_interval=0.02
    )


async def publish_forever(folder: Path) -> None:
    """The victim: prints every acknowledgement, and publishes some ids twice."""
    log = broker_on(folder)
    await log.open()
    if TOPIC not in await log.topics():
        await log.create(TopicSpec(TOPIC, PARTITIONS))

    async def writer(number: int) -> None:
        again = str(uuid.uuid4())
        for turn in itertools.count():
            ids = [str(uuid.uuid4()) for _ in range(random.randint(1, 30))]
            again = random.choice(ids) if turn % 5 == 0 else again
            ids.append(again)
            new = [record(event_id.encode(), partition=number % PARTITIONS, event_id=event_id) for event_id in ids]
            outcomes = await publish(log, TOPIC, *new)
            told = (f"{i} {o.partition} {o.offset}\n" for i, o in zip(ids, outcomes, strict=True))
            os.write(1, "".join(told).encode())

    await asyncio.gather(*(writer(number) for number in range(8)))


def kill_one(folder: Path) -> Places:
    """Start a victim, kill it in the midst of its work; what it had acknowledged."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, __file__, folder], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as victim:
        lines = [victim.stdout.readline()]
        time.sleep(random.uniform(0, 0.3))
        os.kill(victim.pid, signal.SIGKILL)
        lines += victim.stdout.readlines()
    # A last line may be cut short by the kill.
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {event_id: (int(partition), int(offset)) for event_id, partition, offset in whole}


async def check(folder: Path, acknowledged: Places) -> None:
    log = broker_on(folder)
    await log.open()
    found: Places = {}
    for partition in range(PARTITIONS):
        for stored in await read_all(log, TOPIC, partition):
            event_id = stored.value.decode()
            assert event_id not in found, "stored twice"
            found[event_id] = (partition, stored.offset)
    assert acknowledged.items() <= found.items()
    ids = list(found)
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        again = await publish(log, TOPIC, *(record(event_id=event_id) for event_id in some))
        assert all(outcome.duplicate for outcome in again)
        assert [(o.partition, o.offset) for o in again] == [found[event_id] for event_id in some]
    await log.close()


def test_nothing_acknowledged_is_lost(tmp_path):
    acknowledged: Places = {}
    for _ in range(ROUNDS):
        acknowledged |= kill_one(tmp_path)
        asyncio.run(check(tmp_path, acknowledged))
    assert acknowledged
    db = apsw.Connection(str(tmp_path / "log.db"))
    assert db.pragma("integrity_check") == "ok"
    db.close()


if __name__ == "__main__":
    asyncio.run(publish_forever(Path(sys.argv[1])))
