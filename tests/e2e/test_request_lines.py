"""The log has a line for each request, which tells of that one."""

import json
import socket
from urllib.parse import urlsplit

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
    lines = [json.loads(line) for line in (tmp_path / "out.log").read_text().splitlines()]
    told = [(line["request_id"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert told == [(f"r-{n}", f"/streams/s{n}", 404) for n in range(COUNT)]
