"""Live feeds of a gateway as a process of its own: how they end."""

import json
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path

from gateways import serving
from samples import generic

TAIL = b"GET /streams/sample-stream/topics/events/tail HTTP/1.1\r\nHost: x\r\n\r\n"


SOCKET = TAIL[:-2] + (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connect(url: str, request: bytes = TAIL) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30)
    client.sendall(request)
    return client


def read_until(client: socket.socket, wanted: bytes) -> bytes:
    read = b""
    while wanted not in read:
        piece = client.recv(65536)
        assert piece, read
        read += piece
    return read


def send(url: str, data: object) -> None:
    body = json.dumps({"event": generic(data), "partition_id": 0}).encode()
    request = urllib.request.Request(f"{url}/messages", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def test_a_feed_ends_at_once_when_the_gateway_stops_be_its_client_deaf(tmp_path):
    with serving(tmp_path) as (url, process):
        listening, deaf = connect(url), connect(url)
        with listening, deaf:
            read_until(listening, b"\n\n")
            for _ in range(12):
                send(url, "x" * 900_000)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            read_until(listening, b"\r\n0\r\n\r\n")
            assert listening.recv(1) == b""
            assert process.wait(20) == 0
            assert time.monotonic() - started < 12


def test_a_sign_of_life_comes_every_15_seconds_and_no_event(tmp_path):
    with serving(tmp_path) as (url, _), connect(url) as client:
        read_until(client, b": hello")
        started = time.monotonic()
        read = read_until(client, b": \n\n")
        assert 14 < time.monotonic() - started < 25
        assert b"event:" not in read


def test_a_client_that_takes_nothing_is_cut_off_with_the_reason_and_goes_on_where_it_was(tmp_path):
    with serving(tmp_path, TAIL_BUFFER_BYTES="200000") as (url, _):
        with connect(url) as client:
            read = read_until(client, b": hello")
            for n in range(60):
                send(url, f"{n:03}" + "x" * 200_000)
            time.sleep(8)
            while piece := client.recv(1 << 20):
                read += piece
        body = unchunked(read.partition(b"\r\n\r\n")[2])
        assert body.rstrip().rpartition(b"\n\n")[2].startswith(b'event: error\ndata: {"error":"overloaded"')
        last = body.rpartition(b"\nid: ")[2].partition(b"\n")[0].decode()
        request = urllib.request.Request(
            f"{url}/streams/sample-stream/topics/events/tail", headers={"Last-Event-ID": last}
        )
        offset = int(last.partition(":")[2])
        assert offset < 59
        with urllib.request.urlopen(request, timeout=30) as answer:
            for expected in range(offset + 1, 60):
                while not (line := answer.readline()).startswith(b"data: "):
                    assert line
                assert json.loads(line[6:])["event"]["payload"]["data"].startswith(f"{expected:03}")


def test_a_slow_websocket_is_closed_with_1013_and_the_reason_before_it(tmp_path):
    with serving(tmp_path, TAIL_BUFFER_BYTES="200000") as (url, _), connect(url, SOCKET) as client:
        read = read_until(client, b"\r\n\r\n")
        assert read.startswith(b"HTTP/1.1 101 ")
        for n in range(60):
            send(url, f"{n:03}" + "x" * 200_000)
        time.sleep(6)
        while piece := client.recv(1 << 20):
            read += piece
    *messages, told, closed = frames(read.partition(b"\r\n\r\n")[2])
    assert [json.loads(data)["offset"] for _, data in messages] == list(range(len(messages)))
    assert json.loads(told[1])["error"] == "overloaded"
    assert (closed[0], int.from_bytes(closed[1][:2])) == (8, 1013)


def test_pings_of_a_client_that_reads_no_answers_take_no_memory(tmp_path):
    ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
    with serving(tmp_path) as (url, process), connect(url, SOCKET) as client:
        read_until(client, b"\r\n\r\n")
        client.sendall(ping * 100)
        before = resident_mib(process.pid)
        for _ in range(50):
            client.sendall(ping * 8000)
        assert resident_mib(process.pid) - before < 20
        answered = client.recv(1 << 16)
        assert (answered[0], answered[1]) == (0x8A, 125)


def test_a_client_that_is_slow_but_never_stops_is_not_cut_off(tmp_path):
    with serving(tmp_path, TAIL_BUFFER_BYTES="200000") as (url, _), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(30)
        client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        client.sendall(SOCKET)
        read = read_until(client, b"\r\n\r\n")
        sending = threading.Thread(target=lambda: [send(url, f"{n:03}" + "x" * 200_000) for n in range(60)])
        sending.start()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            read += client.recv(65_536)
            time.sleep(0.2)
        sending.join()
        while read.count(b'"offset":') < 60:
            piece = client.recv(1 << 20)
            assert piece, "it was cut off"
            read += piece
    assert b"overloaded" not in read


def resident_mib(pid: int) -> float:
    [line] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def test_a_stop_closes_websockets_with_1001(tmp_path):
    with serving(tmp_path) as (url, process), connect(url, SOCKET) as client:
        read = read_until(client, b"\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        while b"\x88" not in read.partition(b"\r\n\r\n")[2]:
            read += client.recv(1 << 16)
        client.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
        [(opcode, data)] = frames(read.partition(b"\r\n\r\n")[2])
        assert (opcode, int.from_bytes(data[:2])) == (8, 1001)
        assert process.wait(20) == 0


def frames(read: bytes) -> list[tuple[int, bytes]]:
    """What a server sent, as (opcode, data) (RFC 6455, 5.2)."""
    found, at = [], 0
    while at < len(read):
        more = {126: 2, 127: 8}.get(read[at + 1], 0)
        length = int.from_bytes(read[at + 2 : at + 2 + more]) if more else read[at + 1]
        begin = at + 2 + more
        found.append((read[at] & 15, read[begin : begin + length]))
        at = begin + length
    return found


def unchunked(body: bytes) -> bytes:
    """What chunks hold (RFC 9112, 7.1)."""
    found, at = b"", 0
    while length := int(body[at : (end := body.index(b"\r\n", at))], 16):
        found, at = found + body[end + 2 : end + 2 + length], end + 4 + length
    return found
