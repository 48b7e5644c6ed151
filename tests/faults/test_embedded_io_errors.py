"""The embedded log under a file system whose n-th write or sync fails: every outcome that was told is true.

Whoever looks is the log itself, and a second one on a copy of the files as a killed process would leave them.
"""

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import pytest
from support import publish, read_all, record

from app.brokers.sqlite.broker import SqliteBroker
from app.errors import Disconnected, SendFailed, StorageFull
from app.record import Failed
from app.topic import TopicSpec

TOPIC = "faults.io"


class Faults:
    """Fails the calls numbered `first` to `first + count - 1`, once armed, with `error`."""

    def __init__(self) -> None:
        self.error: type[apsw.Error] = apsw.IOError
        self.calls = 0
        self.failing = range(0)

    def arm(self, first: int, count: int, error: type[apsw.Error]) -> None:
        self.calls, self.failing, self.error = 0, range(first, first + count), error

    def step(self) -> None:
        self.calls += 1
        if self.calls in self.failing:
            raise self.error("injected")


class FaultyFile(apsw.VFSFile):
    def __init__(self, faults: Faults, name, flags) -> None:
        self.faults = faults
        super().__init__("unix", name, flags)

    def xWrite(self, data, offset):  # noqa: N802
        self.faults.step()
        super().xWrite(data, offset)

    def xSync(self, flags):  # noqa: N802
        super().xSync(flags)  # the worst of failures: it was done after all
        if self.faults.error is not apsw.FullError:  # SQLite calls any failed sync an I/O error
            self.faults.step()

    def xTruncate(self, size):  # noqa: N802
        self.faults.step()
        super().xTruncate(size)


class FaultyFiles(apsw.VFS):
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        super().__init__("faulty", "unix", makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802
        return FaultyFile(self.faults, name, flags)


@contextmanager
def faulty_files() -> Iterator[Faults]:
    faults = Faults()
    files = FaultyFiles(faults)
    try:
        yield faults
    finally:
        files.unregister()


def broker_on(folder) -> SqliteBroker:
    return SqliteBroker(folder / "log.db", clock=time.time, dedupe_window_secs=600, dedupe_max_ids=10_000)


async def send(log, ids: list[str]):
    """What is told of each id: its place, 'not_written' or 'unknown'."""
    try:
        outcomes = await publish(
            log, TOPIC, *(record(i.encode(), partition=n % 2, event_id=i) for n, i in enumerate(ids))
        )
    except Disconnected as error:
        return dict.fromkeys(ids, error.outcome)
    for outcome in outcomes:
        assert isinstance(outcome, Failed) <= isinstance(getattr(outcome, "error", None), StorageFull | SendFailed)
    return {
        i: o.error.outcome if isinstance(o, Failed) else (o.partition, o.offset)
        for i, o in zip(ids, outcomes, strict=True)
    }


async def stored(log) -> dict[str, tuple[int, int]]:
    found = {}
    for partition in range(2):
        for each in await read_all(log, TOPIC, partition):
            assert each.value.decode() not in found, "stored twice"
            found[each.value.decode()] = (partition, each.offset)
    return found


def compare(told, found) -> None:
    for event_id, answer in told.items():
        if answer == "not_written":
            assert event_id not in found
        elif answer != "unknown":
            assert found[event_id] == answer
    assert found.keys() <= told.keys()


@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError, apsw.CorruptError])
@pytest.mark.parametrize("count", [1, 2, 5])
async def test_whatever_is_told_is_true(tmp_path, error, count):
    with faulty_files() as faults:
        for first in range(1, 40):
            folder, copy = tmp_path / f"{first}", tmp_path / f"{first}-copy"
            log = broker_on(folder)
            await log.open()
            await log.create(TopicSpec(TOPIC, 2))
            told = await send(log, [str(uuid.uuid4()) for _ in range(3)])
            faults.arm(first, count, error)
            batches = [[str(uuid.uuid4()) for _ in range(4)] for _ in range(5)]
            for ids in batches:
                told |= await send(log, ids)
            reached = faults.calls >= first
            faults.arm(0, 0, error)
            shutil.copytree(folder, copy)
            compare(told, await stored(log))
            killed = broker_on(copy)
            await killed.open()
            compare(told, await stored(killed))
            await killed.close()
            for ids in batches:  # what a client does: the same again, until it is told yes
                again = await send(log, ids)
                assert all(isinstance(answer, tuple) for answer in again.values())
                told |= again
            compare(told, await stored(log))
            assert told == await stored(log)
            await log.close()
            if not reached:
                return
        raise AssertionError("the sweep did not reach the end")


async def test_out_of_reach_is_told_until_the_file_opens_again(tmp_path):
    with faulty_files() as faults:
        log = broker_on(tmp_path)
        await log.open()
        await log.create(TopicSpec(TOPIC, 2))
        faults.arm(1, 1_000_000, apsw.IOError)
        assert set((await send(log, [str(uuid.uuid4())])).values()) <= {"unknown", "not_written"}
        for change in (log.ping, lambda: log.commit("http-1", TOPIC, {0: 1}), lambda: log.delete(TOPIC)):
            with pytest.raises(Disconnected):
                await change()
        assert await stored(log) == {}
        faults.arm(0, 0, apsw.IOError)
        await log.ping()
        assert await send(log, ["00000000-0000-4000-8000-000000000000"]) == {
            "00000000-0000-4000-8000-000000000000": (0, 0)
        }
        await log.close()
