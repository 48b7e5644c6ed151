"""TLS at the port, a certificate exchanged while it serves, and metrics at a port of their own."""

import json
import shutil
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from certificates import authority
from gateways import asked, command, failed, free_port, serving
from samples import CANARY


def wait_until(true, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def logged(folder: Path, event: str) -> int:
    lines = (folder / "out.log").read_text().splitlines()
    return sum(json.loads(line)["event"] == event for line in lines)


def subject(port: int, trusted: ssl.SSLContext) -> str:
    """The name in the certificate that the gateway shows."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        trusted.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        return dict(pair for part in wrapped.getpeercert()["subject"] for pair in part)["commonName"]


@pytest.fixture
def files(tmp_path):
    """An authority, and the gateway's certificate and key by it."""
    ours = authority(tmp_path, "authority")
    first = ours.sign("first")
    shutil.copy(first.certificate, tmp_path / "cert.pem")
    shutil.copy(first.key, tmp_path / "key.pem")
    return ours


def test_a_certificate_is_exchanged_while_connections_live(tmp_path, files):
    port = free_port()
    settings = {"BROKER_URL": "memory://", "TLS_CERT": "cert.pem", "TLS_KEY": "key.pem"}
    process = command(tmp_path, "serve", "--endpoint", f"127.0.0.1:{port}", **settings)
    try:
        trusted = ssl.create_default_context(cafile=files.certificate)
        wait_until(lambda: (tmp_path / "out.log").exists() and logged(tmp_path, "listening"))
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/health", context=trusted, timeout=10) as answer:
            assert answer.status == 200
        assert subject(port, trusted) == "first"

        (tmp_path / "cert.pem").write_text("half a certifi")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: logged(tmp_path, "the certificate stays as it was"))
        assert subject(port, trusted) == "first"

        second = files.sign("second")
        shutil.copy(second.certificate, tmp_path / "cert.pem")
        shutil.copy(second.key, tmp_path / "key.pem")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: logged(tmp_path, "certificate reloaded"))
        assert subject(port, trusted) == "second"

        old = ssl.create_default_context(cafile=files.certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert subject(port, old) == "second"
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"https://127.0.0.1:{port}/health", timeout=10)  # an authority nobody knows
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TLS_CERT": "cert.pem"}, "go together"),
        ({"TLS_CERT": "nothing.pem", "TLS_KEY": "key.pem"}, "No such file"),
        ({"TLS_CERT": "cert.pem", "TLS_KEY": "authority.key"}, "can't be used"),
    ],
)
def test_a_certificate_that_can_not_be_used_stops_the_start(tmp_path, files, settings, said):
    endpoint = f"127.0.0.1:{free_port()}"
    code, message = failed(tmp_path, "serve", "--endpoint", endpoint, BROKER_URL="memory://", **settings)
    assert code == 78
    assert said in message


def test_metrics_have_a_port_of_their_own_that_needs_no_key(tmp_path):
    port = free_port()
    with serving(tmp_path, BROKER_URL="memory://", API_KEY=CANARY, METRICS_PORT=str(port)) as (url, _):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/metrics", timeout=10)
        refused.value.close()
        assert refused.value.code == 401
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"sluice_connection_status 1.0" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as nothing:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/streams", timeout=10)
        with nothing.value as answer:
            body = json.load(answer)
        assert (nothing.value.code, body["error"], bool(body["request_id"])) == (404, "not_found", True)


def test_what_administrators_do_is_done_at_their_port_only(tmp_path):
    port = free_port()
    with serving(tmp_path, BROKER_URL="memory://", ADMIN_PORT=str(port)) as (url, _):
        status, refused = asked("POST", f"{url}/streams", b'{"name": "shop"}')
        assert (status, refused["error"]) == (404, "not_found")
        assert "ADMIN_PORT" in refused["message"]
        assert asked("POST", f"http://127.0.0.1:{port}/streams", b'{"name": "shop"}')[0] == 201
        assert asked("GET", f"{url}/streams/shop")[0] == 200
        assert asked("DELETE", f"{url}/streams/shop")[0] == 404


def test_it_takes_no_more_connections_than_it_is_told(tmp_path):
    with serving(tmp_path, BROKER_URL="memory://", MAX_CONNECTIONS="2") as (url, _):
        port = int(url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), 10),
            socket.create_connection(("127.0.0.1", port), 10),
            socket.create_connection(("127.0.0.1", port), 10) as late,
        ):
            assert late.recv(64).split()[1] == b"503"
