"""Live feeds: a thousand who listen to one partition that is fed, and five thousand to whom nothing happens."""

import asyncio
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks import processes
from benchmarks.load import get, post
from benchmarks.requests import EVENT

Figures = dict[str, float]

LISTENERS = 1000
IDLE = 5000
A_SECOND = 20
IDLE_SECONDS = 40.0
"""More than two signs of life each."""

_TAIL = get("/streams/sample-stream/topics/events/tail?partition_id=0")
_SEND = post("/messages", json.dumps({"event": EVENT, "partition_id": 0}).encode())
_AT_ONCE = 50


class _Listener(asyncio.Protocol):
    """Keeps the time at which each offset came."""

    def __init__(self) -> None:
        self.began = asyncio.get_running_loop().create_future()
        self.came: dict[int, float] = {}
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(_TAIL)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if b"event: message" in event:
                self.came.setdefault(int(event.rpartition(b"\nid: 0:")[2]), now)
            elif not self.began.done():
                self.began.set_result(None)


class _Sender(asyncio.Protocol):
    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, float]] = []
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            start = self._rest.index(b"Content-Length: ") + 16
            behind = end + 4 + int(self._rest[start:].partition(b"\r\n")[0])
            if len(self._rest) < behind:
                return
            self.acknowledged.append((json.loads(self._rest[end + 4 : behind])["offset"], now))
            self._rest = self._rest[behind:]


async def _listen(port: int, count: int) -> list[_Listener]:
    loop = asyncio.get_running_loop()
    found: list[_Listener] = []
    for _ in range(0, count, _AT_ONCE):
        some = [(await loop.create_connection(_Listener, "127.0.0.1", port))[1] for _ in range(_AT_ONCE)]
        await asyncio.gather(*(listener.began for listener in some))
        found += some
    return found


async def _fed(port: int, seconds: float) -> tuple[list[float], int]:
    """Seconds from each acknowledgement to each listener, and how many events never came."""
    loop = asyncio.get_running_loop()
    listeners = await _listen(port, LISTENERS)
    transport, sender = await loop.create_connection(_Sender, "127.0.0.1", port)
    start = time.perf_counter()
    for n in range(int(seconds * A_SECOND)):
        await asyncio.sleep(max(0, start + n / A_SECOND - time.perf_counter()))
        transport.write(_SEND)
    await asyncio.sleep(2)
    waits = [
        listener.came[offset] - at
        for offset, at in sender.acknowledged
        for listener in listeners
        if offset in listener.came
    ]
    for listener in listeners:
        listener.transport.close()
    transport.close()
    return waits, int(seconds * A_SECOND) * LISTENERS - len(waits)


async def _idle(port: int, pid: int) -> tuple[float, float]:
    """MiB, and the share of a CPU."""
    listeners = await _listen(port, IDLE)
    before, began = _cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    share = (_cpu_seconds(pid) - before) / (time.perf_counter() - began)
    assert all(not listener.transport.is_closing() for listener in listeners)
    memory = processes.resident_mib(pid)
    for listener in listeners:
        listener.transport.close()
    return memory, share


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tails:
    """A gateway on SQLite for each of the two, anew in each round."""

    title = "Live feeds"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._round = 0

    def one_round(self, seconds: float) -> Figures:
        with self._gateway() as (port, pid), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            waits, missed = runner.run(_fed(port, max(seconds, 10)))
            memory = processes.resident_mib(pid)
        waits.sort()
        with self._gateway() as (port, pid), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            idle_memory, share = runner.run(_idle(port, pid))
        return {
            "1,000 listeners, events missed": missed,
            "behind the acknowledgement, p50 ms": waits[len(waits) // 2] * 1000,
            "behind the acknowledgement, p99 ms": waits[int(len(waits) * 0.99)] * 1000,
            "gateway memory with them, MiB": memory,
            "5,000 idle, gateway memory, MiB": idle_memory,
            "5,000 idle, share of a CPU, %": share * 100,
        }

    @contextmanager
    def _gateway(self) -> Iterator[tuple[int, int]]:
        self._round += 1
        folder = self._folder / str(self._round)
        folder.mkdir()
        with processes.gateway(folder, BROKER_URL=f"sqlite:///{folder}/log.db") as found:
            yield found


@contextmanager
def tails() -> Iterator[Tails]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        yield Tails(Path(name))
