"""Several workers on one port: nothing acknowledged is lost when one falls, and all of them end together."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateways import command, failed, free_port, serving
from samples import generic

pytestmark = pytest.mark.kafka


@contextlib.contextmanager
def workers(folder: Path, kafka: str, count: int, **environ: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A gateway of so many workers, all of them listening."""
    settings = {"WORKERS": str(count), "DEFAULT_STREAM": f"w{uuid.uuid4().hex[:12]}", "DATABASE_URL": "off", **environ}
    with serving(folder, BROKER_URL=f"kafka://{kafka}", **settings) as (url, process):
        wait_until(lambda: len(logged(folder, "listening")) == count)
        yield url, process


def wait_until(true, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def logged(folder: Path, event: str) -> list[dict]:
    lines = (folder / "out.log").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def gone(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def fetch(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@dataclass
class Load:
    """Clients that send until they are stopped, each request on a connection of its own."""

    url: str
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=dict)
    answered_at: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.is_set():
            event_id = str(uuid.uuid4())
            with contextlib.suppress(OSError):  # whoever was served by the one that was killed
                sent = json.loads(
                    fetch(f"{self.url}/messages", json.dumps({"event": generic(1, id=event_id)}).encode())
                )
                self.acknowledged[event_id] = (sent["partition"], sent["offset"])
                self.answered_at.append(time.monotonic())

    @contextlib.contextmanager
    def running(self, clients: int = 6) -> Iterator[None]:
        threads = [threading.Thread(target=self.run) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join(60)


def stored(url: str) -> dict[str, tuple[int, int]]:
    found = {}
    for partition in range(3):
        offset = 0
        while True:
            page = json.loads(fetch(f"{url}/messages?partition_id={partition}&offset={offset}&count=10000"))
            found |= {message["id"]: (partition, message["offset"]) for message in page["messages"]}
            offset = page["next_offset"]
            if offset >= page["high_watermark"]:
                break
    return found


def created(url: str) -> int:
    return int(float(re.search(r"^events_created_total (\S+)$", fetch(f"{url}/metrics").decode(), re.MULTILINE)[1]))


def test_one_of_four_is_killed_under_load_and_nothing_acknowledged_is_lost(tmp_path, kafka):
    with workers(tmp_path, kafka, 4) as (url, process):
        load = Load(url)
        with load.running():
            wait_until(lambda: len(load.acknowledged) > 100)
            before = created(url)
            os.kill(logged(tmp_path, "worker started")[1]["pid"], signal.SIGKILL)
            at_kill = len(load.acknowledged)
            wait_until(lambda: len(logged(tmp_path, "listening")) == 5)
            wait_until(lambda: len(load.acknowledged) > at_kill + 100)
            assert created(url) >= before
        found = stored(url)
        assert [event_id for event_id, place in load.acknowledged.items() if found.get(event_id) != place] == []
        assert created(url) >= len(load.acknowledged)
        gaps = [later - earlier for earlier, later in zip(load.answered_at, load.answered_at[1:], strict=False)]
        print(f"{len(load.acknowledged)} acknowledged, 0 lost, longest gap {max(gaps):.2f} s")
        assert logged(tmp_path, "worker fell")[0]["exit_code"] == -signal.SIGKILL
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        pids = [line["pid"] for line in logged(tmp_path, "worker started")]
        assert all(gone(pid) for pid in pids)


def test_a_signal_lets_all_of_them_finish_what_they_have(tmp_path, kafka):
    with workers(tmp_path, kafka, 2) as (url, process):
        waiting = threading.Thread(target=fetch, args=(f"{url}/messages?wait_ms=30000",))
        waiting.start()
        wait_until(lambda: b"sluice_connection_status 1.0" in fetch(f"{url}/metrics"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        waiting.join(10)
        assert not waiting.is_alive()
        assert len(logged(tmp_path, "stopped")) == 2


def test_without_their_parent_they_end(tmp_path, kafka):
    with workers(tmp_path, kafka, 2) as (_, process):
        process.kill()
        process.wait(10)
        wait_until(lambda: len(logged(tmp_path, "stopped")) == 2)
        pids = [line["pid"] for line in logged(tmp_path, "worker started")]
        wait_until(lambda: all(gone(pid) for pid in pids))


def test_a_port_that_is_taken_stops_the_start_though_others_would_share_it(tmp_path, kafka):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        code, message = failed(
            tmp_path,
            "serve",
            "--endpoint",
            endpoint,
            "--workers",
            "2",
            BROKER_URL=f"kafka://{kafka}",
            DATABASE_URL="off",
        )
    assert code == 69
    assert endpoint in message


def test_what_no_worker_can_start_with_ends_it_all_with_that_code(tmp_path):
    process = command(
        tmp_path,
        "serve",
        "--endpoint",
        f"127.0.0.1:{free_port()}",
        BROKER_URL=f"kafka://127.0.0.1:{free_port()}",
        DATABASE_URL="off",
        WORKERS="2",
        STARTUP_REQUIRE_BROKER="true",
    )
    _, message = process.communicate(timeout=60)
    assert process.returncode == 69
    assert b"STARTUP_REQUIRE_BROKER" in message


@pytest.mark.parametrize("url", ["memory://", "sqlite:///log.db"])
def test_an_embedded_log_belongs_to_one_process(tmp_path, url):
    code, message = failed(tmp_path, "serve", "--workers", "2", BROKER_URL=url, DATABASE_URL="off")
    assert code == 78
    assert "WORKERS" in message
    assert "Kafka" in message


def test_a_database_in_a_file_belongs_to_one_process(tmp_path):
    code, message = failed(tmp_path, "serve", "--workers", "2", BROKER_URL="kafka://127.0.0.1:9092")
    assert code == 78
    assert "WORKERS" in message
    assert "PostgreSQL" in message


def test_the_rate_limit_is_one_for_all_workers(tmp_path, kafka):
    with workers(tmp_path, kafka, 2, RATE_LIMIT_RPS="0.001", RATE_LIMIT_BURST="20") as (url, _):
        let_through = 0
        for _ in range(60):  # each on a connection of its own: the kernel chooses the worker
            with contextlib.suppress(urllib.error.HTTPError):
                fetch(f"{url}/streams")
                let_through += 1
    assert let_through == 20


def test_metrics_of_any_worker_tell_the_sum_of_all_and_the_log_once(tmp_path, kafka):
    with workers(tmp_path, kafka, 2, STATS_CACHE_TTL_SECS="0.2") as (url, _):
        for n in range(40):  # each on a connection of its own: both workers get some
            fetch(f"{url}/messages", json.dumps({"event": generic(n)}).encode())
        fetch(f"{url}/messages?consumer_id=sum&auto_commit=true&count=1")
        wait_until(lambda: "http-sum" in fetch(f"{url}/metrics").decode())
        for _ in range(10):
            lines = fetch(f"{url}/metrics").decode().splitlines()
            found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}
            assert len(found) == len([line for line in lines if line[0] != "#"])
            assert found["events_created_total"] == 40
            assert found["sluice_send_batch_size_count"] == 40
            assert found['sluice_key_messages_total{key="_unknown"}'] == 40
            count = "http_request_duration_seconds_count"
            assert found[f'{count}{{method="POST",route="/messages",status="201"}}'] == 40
            assert sum(name.startswith("sluice_build{") for name in found) == 1
            assert sum("http-sum" in name for name in found) <= 1  # the other worker may not have looked yet
            assert found["process_resident_memory_bytes"] > 2 * 20 * 2**20
            assert found["process_cpu_seconds_total"] > 0.5
            assert found["process_open_fds"] < found["process_max_fds"]
