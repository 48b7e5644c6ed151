"""Gateways as processes of their own, as users run them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen:
    """`python -m app …` in a folder of its own, with nothing of this process's settings."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_FORMAT": "json", "RATE_LIMIT_RPS": "0", **environ}
    with (folder / "out.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app", *arguments], cwd=folder, env=env, stdout=log, stderr=subprocess.PIPE
        )


def asked(method: str, url: str, body: bytes | None = None) -> tuple[int, dict | list]:
    """The answer's status and what its JSON says."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def wait_ready(port: int, process: subprocess.Popen, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read().decode()
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError("the gateway did not become ready")


@contextlib.contextmanager
def serving(folder: Path, **environ: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A ready gateway, as (url, process); ended with SIGKILL if it still runs."""
    port = free_port()
    process = command(folder, "serve", "--endpoint", f"127.0.0.1:{port}", **environ)
    try:
        wait_ready(port, process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        _keep_errors(folder, process)


def failed(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """The exit code and the message of a start that is refused."""
    process = command(folder, *arguments, **environ)
    return _keep_errors(folder, process)


def _keep_errors(folder: Path, process: subprocess.Popen) -> tuple[int, str]:
    """The exit code, and what it told on standard error, kept beside its log for the search for secrets."""
    _, errors = process.communicate(timeout=30)
    with (folder / "err.log").open("ab") as log:
        log.write(errors)
    return process.returncode, errors.decode()
