"""What the benchmarks send: 300-byte events, alone and in hundreds, and polls of a thousand."""

import asyncio
import json

import uvloop

from benchmarks.load import Result, get, load, post

CONNECTIONS = 64
BATCH = 100
EVENT = {"event_type": "bench.event", "payload": {"type": "Generic", "data": {"text": "x" * 180, "n": 1}}}
SINGLES = [post("/messages", json.dumps({"event": EVENT}).encode())]
BATCHES = [post("/messages/batch", json.dumps({"events": [EVENT] * BATCH}).encode())]
POLLS = [get("/messages?partition_id=0&offset=0&count=1000&max_bytes=10000000")]
READING_ON = [
    get(f"/messages?partition_id={n % 3}&offset={n // 3 * 1000}&count=1000&max_bytes=10000000") for n in range(60)
]
"""Through the first 20,000 records of three partitions, page by page."""

IDLE_POLLS = [get(f"/messages?partition_id={n}&offset=9000000000000000") for n in range(3)]


def run(port: int, requests: list[bytes], seconds: float, connections: int = CONNECTIONS) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load(port, requests, connections=connections, seconds=seconds))
