"""The command line in this process, and as processes of its own; what it reads and prints."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner, Result
from gateways import ROOT, command, wait_ready
from samples import generic

from app.cli import cli

SECONDS = 60


def new_topic(url: str) -> str:
    """A topic of its own, with three partitions."""
    stream = f"s{uuid.uuid4().hex[:12]}"
    for path, body in {
        "/streams": {"name": stream},
        f"/streams/{stream}/topics": {"name": "t", "partitions": 3},
    }.items():
        data = json.dumps(body).encode()
        request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()
    return f"{stream}.t"


def sluice_on(url: str, topic: str, *arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--topic", topic, "--url", url], input=given)


def told(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def lines(events: list[dict]) -> str:
    return "".join(f"{json.dumps(event)}\n" for event in events)


@contextlib.contextmanager
def gateway(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    """On the embedded log in this folder, at this port; killed at the end."""
    process = command(folder, "serve", "--endpoint", f"127.0.0.1:{port}", DATABASE_URL="off")
    try:
        wait_ready(port, process)
        yield process
    finally:
        process.kill()
        process.communicate()


def sluice_process(*arguments: str, port: int, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "app", *arguments, "--url", f"http://127.0.0.1:{port}"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, **options)


def send_number(port: int, number: int) -> None:
    sending = sluice_process("send", port=port, stdin=subprocess.PIPE)
    sending.communicate(lines([generic(number)]).encode(), timeout=SECONDS)
    assert sending.returncode == 0
