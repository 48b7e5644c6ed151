"""The log has a line for each request, which tells of that one."""

import json
import socket
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from gateways import serving

COUNT = 30


def test_requests_that_are_answered_together_keep_their_ids(tmp_path):
    with serving(tmp_path, BROKER_URL="memory://") as (url, process):
        heads = [f"GET /streams/s{n} HTTP/1.1\r\nHost: x\r\nX-Request-ID: r-{n}\r\n" for n in range(COUNT)]
        heads[-1] += "Connection: close\r\n"
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall("\r\n".join([*heads, ""]).encode())
            while client.recv(65_536):
                pass
        process.terminate()
        assert process.wait(20) == 0
    told = [(line["request_id"], line["path"], line["status"]) for line in request_lines(tmp_path)]
    assert told == [(f"r-{n}", f"/streams/s{n}", 404) for n in range(COUNT)]


def test_who_came_with_a_key_is_told_by_its_name(tmp_path):
    with serving(tmp_path, BROKER_URL="memory://", API_KEY="k" * 40) as (url, process):
        for head in ({}, {"X-API-Key": "k" * 40}, {}):
            request = Request(f"{url}/streams", headers=head, method="GET" if head else "HEAD")
            with suppress(HTTPError), urlopen(request, timeout=20):
                pass
        process.terminate()
        assert process.wait(20) == 0
    told = [(line["method"], line["status"], line.get("key")) for line in request_lines(tmp_path)]
    assert told == [("HEAD", 401, None), ("GET", 200, "API_KEY"), ("HEAD", 401, None)]


def request_lines(folder):
    lines = [json.loads(line) for line in (folder / "out.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == "request"]
