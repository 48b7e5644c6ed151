"""The embedded log beside a bare group-commit loop and a bare aiohttp handler."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import processes
from benchmarks.floors import apsw_group_commit
from benchmarks.requests import BATCH, BATCHES, POLLS, SINGLES, run

Figures = dict[str, float]


class Embedded:
    """One gateway on SQLite for all rounds."""

    title = "The embedded log"

    def __init__(self, folder: Path, port: int, pid: int, bare_port: int) -> None:
        self._folder = folder
        self._port = port
        self._pid = pid
        self._bare_port = bare_port

    def one_round(self, seconds: float) -> Figures:
        for file in self._folder.glob("floor.db*"):
            file.unlink()
        floor = apsw_group_commit(self._folder / "floor.db", group=BATCH, value=b"x" * 300, seconds=seconds)
        bare = run(self._bare_port, SINGLES, seconds)
        single = run(self._port, SINGLES, seconds)
        batch = run(self._port, BATCHES, seconds)
        polls = run(self._port, POLLS, seconds, 4)
        return {
            "apsw loop, records/s": floor,
            "bare aiohttp, requests/s": bare.rate,
            "single POST, requests/s": single.rate,
            "single POST, p50 ms": single.percentile(0.5) * 1000,
            "single POST, p99 ms": single.percentile(0.99) * 1000,
            "batches of 100, records/s": batch.rate * BATCH,
            "batches of 100, p50 ms": batch.percentile(0.5) * 1000,
            "polls of 1000, records/s": polls.rate * 1000,
            "single / bare aiohttp": single.rate / bare.rate,
            "batches / apsw loop": batch.rate * BATCH / floor,
            "gateway memory, MiB": processes.resident_mib(self._pid),
        }


@contextmanager
def embedded() -> Iterator[Embedded]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            processes.gateway(folder, BROKER_URL=f"sqlite:///{folder}/log.db") as (port, pid),
            processes.bare_aiohttp() as bare_port,
        ):
            run(port, BATCHES, 1)
            yield Embedded(folder, port, pid, bare_port)
