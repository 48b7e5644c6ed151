"""Starting, stopping and failing to start, as processes."""

import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

import pytest
from gateways import asked, command, failed, free_port, serving
from samples import CANARY, generic


def get(url: str) -> tuple[int, dict]:
    return asked("GET", url)


def send(url: str, data: object) -> dict:
    body = json.dumps({"event": generic(data), "partition_id": 0}).encode()
    request = urllib.request.Request(f"{url}/messages", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_what_was_written_is_there_again(tmp_path, number):
    with serving(tmp_path) as (url, process):
        sent = send(url, 1)
        process.send_signal(number)
        assert process.wait(20) == 0
    with serving(tmp_path) as (url, _):
        _, polled = get(f"{url}/messages?partition_id=0&offset={sent['offset']}")
        assert [message["id"] for message in polled["messages"]] == [sent["event_id"]]


def test_a_waiting_poll_is_answered_and_a_second_signal_changes_nothing(tmp_path):
    with serving(tmp_path) as (url, process), ThreadPoolExecutor() as pool:
        waiting = pool.submit(get, f"{url}/messages?wait_ms=30000&partition_id=1")
        time.sleep(0.5)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert waiting.result(10) == (200, waiting.result()[1])
        assert waiting.result()[1]["messages"] == []
        assert process.wait(20) == 0
        assert time.monotonic() - started < 10


def test_a_stop_under_load_loses_nothing_that_was_acknowledged(tmp_path):
    acknowledged: list[dict] = []
    with serving(tmp_path) as (url, process):

        def work() -> None:
            try:
                while True:
                    acknowledged.append(send(url, 1))
            except OSError:
                return

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        process.terminate()
        assert process.wait(20) == 0
        for thread in threads:
            thread.join(20)
    assert acknowledged
    with serving(tmp_path, POLL_MAX_COUNT="10000") as (url, _):
        _, polled = get(f"{url}/messages?partition_id=0&offset=0&count=10000&max_bytes=100000000")
        found = {message["offset"]: message["id"] for message in polled["messages"]}
    assert all(found[sent["offset"]] == sent["event_id"] for sent in acknowledged)


def test_what_is_unanswered_15_seconds_after_the_signal_is_told_so(tmp_path):
    with serving(tmp_path) as (url, process):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            time.sleep(0.5)
            started = time.monotonic()
            process.terminate()
            answer = HTTPResponse(client)
            answer.begin()
            body = json.load(answer)
        assert 14 < time.monotonic() - started < 17
        assert (answer.status, body["error"], body["outcome"]) == (503, "shutting_down", "not_written")
        assert answer.headers["Retry-After"]
        assert answer.headers["X-Request-Id"] == body["request_id"]
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"), ("BROKER_URL", "iggy://x"), ("LOG_LEVEL", "loud"), ("BATCH_MAX_SIZE", "0"),
        ("DEFAULT_TOPIC", "a b"), ("POLL_MAX_COUNT", "20000"), ("BIND_ADDRESS", "here"),
        ("LOG_LEVEL", "info,aiokafka=debug"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_refused_with_78_and_one_line(tmp_path, variable, value):
    code, message = failed(tmp_path, "serve", **{variable: value})
    assert code == 78
    assert message.startswith(f"sluice: {variable}: ")
    assert message.count("\n") == 1
    assert value in message or variable == "BROKER_URL"


def test_a_toml_file_is_read_with_variables_filled_in_and_the_environment_wins(tmp_path):
    port = free_port()
    (tmp_path / "sluice.toml").write_text(
        'broker_url = "memory://"\n[default]\nstream = "from-${PLACE}"\ntopic = "t1"\n', encoding="utf-8"
    )
    process = command(
        tmp_path, "serve", "--config", "sluice.toml", "--port", str(port), PLACE="file", DEFAULT_TOPIC="t2"
    )
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                sent = send(f"http://127.0.0.1:{port}", 1)
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        assert (sent["stream"], sent["topic"]) == ("from-file", "t2")
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("text", ["[kafka]\nnonsense = 1\n", "port = ", 'port = "${NOWHERE}"\n'])
def test_a_bad_toml_file_is_refused_with_78(tmp_path, text):
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    code, message = failed(tmp_path, "serve", "--config", "bad.toml")
    assert (code, message.count("\n")) == (78, 1)


def test_a_port_that_is_taken_is_69(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, message = failed(tmp_path, "serve", "--endpoint", f"127.0.0.1:{taken.getsockname()[1]}")
    assert code == 69
    assert "can't listen" in message


def test_a_log_file_that_is_owned_is_69(tmp_path):
    with serving(tmp_path):
        code, message = failed(tmp_path, "serve", "--endpoint", f"127.0.0.1:{free_port()}")
    assert code == 69
    assert "log.db" in message


def test_a_broker_that_is_away_starts_degraded_or_is_69_when_it_is_required(tmp_path):
    url = f"kafka://127.0.0.1:{free_port()}"
    port = free_port()
    code, _ = failed(
        tmp_path, "serve", "--endpoint", f"127.0.0.1:{port}", BROKER_URL=url, STARTUP_REQUIRE_BROKER="true"
    )
    assert code == 69
    process = command(tmp_path, "serve", "--endpoint", f"127.0.0.1:{port}", BROKER_URL=url)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                status, health = get(f"http://127.0.0.1:{port}/health")
                break
            except OSError:
                time.sleep(0.1)
        assert (status, health["status"], health["broker_connected"]) == (200, "degraded", False)
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready")
        refused.value.close()
        status, error = get(f"http://127.0.0.1:{port}/messages")
        assert (status, error["error"]) == (503, "disconnected")
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_help_and_version_are_told(tmp_path):
    process = command(tmp_path, "--version")
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"sluice" in (tmp_path / "out.log").read_bytes()


def test_no_password_reaches_the_log(tmp_path):
    code, message = failed(tmp_path, "serve", BROKER_URL=f"kafka://user:{CANARY}@nowhere")
    assert code == 78
    assert CANARY not in message
    assert subprocess.run(["grep", "-r", CANARY, tmp_path], capture_output=True, check=False).returncode == 1
