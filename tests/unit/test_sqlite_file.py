"""The embedded log's file: who may open it, what it must be, how it is kept."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from support import publish, record

from app.brokers.sqlite.broker import SqliteBroker
from app.brokers.sqlite.schema import APPLICATION_ID, VERSION
from app.errors import Disconnected, ResourceUnavailable
from app.topic import TopicSpec

ROOT = Path(__file__).parents[2]

OWNER = """
import sys, time
from pathlib import Path
from app.brokers.sqlite.lock import OwnerLock
OwnerLock(Path(sys.argv[1])).acquire()
print("owner", flush=True)
time.sleep(60)
"""


def broker_at(path: Path) -> SqliteBroker:
    return SqliteBroker(path, clock=time.time, dedupe_window_secs=600, dedupe_max_ids=1000)


async def refusal(path: Path) -> str:
    with pytest.raises(ResourceUnavailable) as caught:
        await broker_at(path).open()
    assert str(path) in str(caught.value)
    return str(caught.value)


async def test_the_folder_is_made(tmp_path):
    log = broker_at(tmp_path / "a" / "b" / "log.db")
    await log.open()
    await log.close()
    assert (tmp_path / "a" / "b" / "log.db").exists()


async def test_a_second_owner_is_refused_at_once_and_told_who_has_it(tmp_path):
    log = broker_at(tmp_path / "log.db")
    await log.open()
    assert f"process {os.getpid()}" in await refusal(tmp_path / "log.db")
    await log.close()
    await log.open()
    await log.close()


@contextmanager
def another_owner(path: Path) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", OWNER, path], stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout.readline() == b"owner\n"
        yield owner
        owner.kill()


async def test_the_death_of_the_owner_frees_the_file(tmp_path):
    path = tmp_path / "log.db"
    with another_owner(path) as owner:
        assert f"process {owner.pid}" in await refusal(path)
        owner.kill()
        owner.wait()
        log = broker_at(path)
        await log.open()
        await log.close()


async def test_a_folder_is_refused(tmp_path):
    (tmp_path / "log.db").mkdir()
    await refusal(tmp_path / "log.db")


async def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    await refusal(tmp_path / "file" / "log.db")


async def test_what_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "log.db"
    path.write_text("dear diary, " * 1000)
    await refusal(path)
    assert path.read_text() == "dear diary, " * 1000


async def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "log.db"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE note (text)")
    db.close()
    before = path.read_bytes()
    assert "not a log" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_newer_form_of_log_is_refused(tmp_path):
    path = tmp_path / "log.db"
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION + 1}")
    db.execute("CREATE TABLE topic (id)")
    db.close()
    assert "newer" in await refusal(path)


async def test_after_a_refusal_the_file_is_free(tmp_path):
    path = tmp_path / "log.db"
    path.write_text("not yet")
    await refusal(path)
    path.unlink()
    log = broker_at(path)
    await log.open()
    await log.close()


async def test_the_file_is_durable_and_shrinks(tmp_path):
    log = broker_at(tmp_path / "log.db")
    await log.open()
    await log.close()
    db = apsw.Connection(str(tmp_path / "log.db"))
    assert db.pragma("journal_mode") == "wal"
    assert db.pragma("auto_vacuum") == 2  # incremental
    assert db.pragma("synchronous") == 2  # full
    db.close()


async def test_close_leaves_nothing_behind_and_may_be_repeated(tmp_path):
    log = broker_at(tmp_path / "log.db")
    await log.open()
    await log.create(TopicSpec("unit.close", 1))
    await publish(log, "unit.close", record())
    await log.close()
    await log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.db", "log.db.lock"]
    for call in (log.ping, log.topics, lambda: publish(log, "unit.close", record())):
        with pytest.raises(Disconnected):
            await call()


async def test_what_was_closed_can_be_opened_again(tmp_path):
    log = broker_at(tmp_path / "log.db")
    await log.open()
    await log.create(TopicSpec("unit.again", 1))
    await log.close()
    await log.open()
    assert await log.topics() == {"unit.again": 1}
    await log.close()
