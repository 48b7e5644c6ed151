"""Clients that send a byte now and then, by the hundreds, while others want to be served."""

import os
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gateways import serving

COUNT = int(os.environ.get("DRIPPING", "200"))
"""2,000 by hand: their sender takes a good part of one of two cores."""

REQUESTS = max(1500, 20 * COUNT)
EACH_SECONDS = 2.0
HEAD = b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
BODY = b'{"event":{"event_type":"a","payload":{"type":"Generic","data":1}}}'


def latencies(url: str, requests: int = REQUESTS) -> list[float]:
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname, address.port, timeout=30)
    taken = []
    for _ in range(requests):
        started = time.perf_counter()
        connection.request("POST", "/messages", BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        taken.append(time.perf_counter() - started)
        assert answer.status == 201
    connection.close()
    return sorted(taken)


@contextmanager
def dripping(url: str) -> Iterator[list[int]]:
    """So many connections, half of them within a head and half within a body; those given up come again."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    ended = threading.Event()
    given_up = [0]

    def drip() -> None:
        sockets: list[socket.socket | None] = [None] * COUNT
        while not ended.is_set():
            for place, each in enumerate(sockets):
                sockets[place] = opened(address, place) if each is None else dripped(each, given_up)
                if ended.wait(EACH_SECONDS / COUNT):
                    break
        for each in filter(None, sockets):
            each.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        time.sleep(EACH_SECONDS + 1)
        yield given_up
    finally:
        ended.set()
        thread.join()


def opened(address: tuple[str, int], place: int) -> socket.socket:
    connection = socket.create_connection(address, 10)
    connection.sendall(HEAD + (b"\r\n{" if place % 2 else b"X-"))
    connection.settimeout(0)
    return connection


def dripped(connection: socket.socket, given_up: list[int]) -> socket.socket | None:
    try:
        connection.send(b" ")
    except OSError:
        given_up[0] += 1
        connection.close()
        return None
    return connection


def at(sorted_values: list[float], share: float) -> float:
    return sorted_values[int(share * len(sorted_values))] * 1000


@pytest.mark.timeout(600)
def test_others_are_served_while_many_drip(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, COUNT * 2 + 500)), hard))
    with serving(tmp_path, BROKER_URL="memory://", LOG_LEVEL="warning") as (url, _):
        latencies(url)
        rounds = []
        for _ in range(3):
            alone = latencies(url)
            with dripping(url) as given_up:
                beside = latencies(url)
            rounds.append((at(alone, 0.5), at(beside, 0.5), at(alone, 0.99), at(beside, 0.99), given_up[0]))
    for half, half_beside, most, most_beside, gone in rounds:
        print(
            f"{COUNT} dripping: p50 {half:.2f} -> {half_beside:.2f} ms,"
            f" p99 {most:.2f} -> {most_beside:.2f} ms, given up {gone}"
        )
    assert statistics.median(beside / alone for alone, beside, *_ in rounds) <= 2
