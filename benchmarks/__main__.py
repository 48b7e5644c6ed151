"""`make bench`: single POSTs, batches and polls on the embedded log, beside bare floors, taking turns."""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path

import uvloop

from benchmarks import processes
from benchmarks.floors import apsw_group_commit
from benchmarks.load import Result, get, load, post

CONNECTIONS = 64
BATCH = 100
EVENT = {"event_type": "bench.event", "payload": {"type": "Generic", "data": {"text": "x" * 180, "n": 1}}}
BATCH_BODY = json.dumps({"events": [EVENT] * BATCH}).encode()
SINGLE_BODY = json.dumps({"event": EVENT}).encode()


def run(port: int, requests: list[bytes], seconds: float, connections: int = CONNECTIONS) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load(port, requests, connections=connections, seconds=seconds))


def one_round(folder: Path, port: int, bare_port: int, seconds: float) -> dict[str, float]:
    """Each candidate once. Rates are requests or records a second."""
    floor_file = folder / "floor.db"
    for file in folder.glob("floor.db*"):
        file.unlink()
    floor = apsw_group_commit(floor_file, group=BATCH, value=b"x" * 300, seconds=seconds)
    bare = run(bare_port, [post("/messages", SINGLE_BODY)], seconds)
    single = run(port, [post("/messages", SINGLE_BODY)], seconds)
    batch = run(port, [post("/messages/batch", BATCH_BODY)], seconds)
    polls = run(port, [get("/messages?partition_id=0&offset=0&count=1000&max_bytes=10000000")], seconds, 4)
    return {
        "apsw loop, records/s": floor,
        "bare aiohttp, requests/s": bare.rate,
        "single POST, requests/s": single.rate,
        "single POST, p50 ms": single.percentile(0.5) * 1000,
        "single POST, p99 ms": single.percentile(0.99) * 1000,
        "batches of 100, records/s": batch.rate * BATCH,
        "batches of 100, p50 ms": batch.percentile(0.5) * 1000,
        "polls of 1000, records/s": polls.rate * 1000,
        "single / bare aiohttp": single.rate / bare.rate,
        "batches / apsw loop": batch.rate * BATCH / floor,
    }


def main() -> None:
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            processes.gateway(folder, BROKER_URL=f"sqlite:///{folder}/log.db") as (port, pid),
            processes.bare_aiohttp() as bare_port,
        ):
            run(port, [post("/messages/batch", BATCH_BODY)], 1)
            rounds = [one_round(folder, port, bare_port, chosen.seconds) for _ in range(chosen.rounds)]
            memory = processes.resident_mib(pid)
    print(f"{CONNECTIONS} connections, {len(SINGLE_BODY)}-byte requests, {chosen.rounds} rounds: median (min – max)")
    for row in rounds[0]:
        values = [figures[row] for figures in rounds]
        print(f"{row:30} {statistics.median(values):12,.2f}  ({min(values):,.2f} – {max(values):,.2f})")
    print(f"{'gateway memory, MiB':30} {memory:12,.1f}")


main()
