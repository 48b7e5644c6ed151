"""The servers under test, as processes of their own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import KEY


@contextlib.contextmanager
def gateway(folder: Path, **environ: str) -> Iterator[tuple[int, int]]:
    """A gateway on a free port, as (port, pid); its log goes to a file, as it would in production."""
    port = free_port()
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [_python(), "-m", "app", "serve", "--endpoint", f"127.0.0.1:{port}"],
            env={
                **os.environ,
                "LOG_FORMAT": "json",
                "POLL_MAX_COUNT": "1000",
                "RATE_LIMIT_RPS": "1000000",
                "API_KEY": KEY,
                "DATABASE_URL": "off",
                **environ,
            },
            stdout=log,
            stderr=log,
        )
        try:
            wait_ready(port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextlib.contextmanager
def bare_aiohttp() -> Iterator[int]:
    process = subprocess.Popen([_python(), "-m", "benchmarks.floors"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=10)


def _python() -> str:
    """What runs all servers, ours and bare ones alike: `BENCH_PYTHON`, else what runs this."""
    return os.environ.get("BENCH_PYTHON", sys.executable)


def wait_ready(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1)
            return
        time.sleep(0.05)
    raise TimeoutError("the gateway did not become ready")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident_mib(pid: int) -> float:
    """Resident memory in MiB, as Linux tells it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
