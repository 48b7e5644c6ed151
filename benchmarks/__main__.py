"""`make bench`: single POSTs, batches and polls, beside bare floors that take turns with them in one run."""

import argparse
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # where the real Kafka is

import kafka_server
import postgres_server

from benchmarks.chain import chain
from benchmarks.door import door
from benchmarks.embedded import embedded
from benchmarks.index import index, index_postgres
from benchmarks.kafka import kafka
from benchmarks.layers import layers
from benchmarks.metrics import cost
from benchmarks.requests import CONNECTIONS, SINGLES
from benchmarks.sends import sends
from benchmarks.tails import tails

SUITES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "embedded": embedded,
    "kafka": kafka,
    "door": door,
    "chain": chain,
    "sends": sends,
    "layers": layers,
    "index": index,
    "index-postgres": index_postgres,
    "metrics": cost,
    "tails": tails,
}


def main() -> None:
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--only", choices=SUITES, action="append")
    chosen = options.parse_args()
    print(f"{CONNECTIONS} connections, {len(SINGLES[0])}-byte requests, {chosen.rounds} rounds: median (min - max)")
    for name in chosen.only or SUITES:
        try:
            with SUITES[name]() as suite:
                report(suite.title, [suite.one_round(chosen.seconds) for _ in range(chosen.rounds)])
        except (kafka_server.Unavailable, postgres_server.Unavailable) as reason:
            print(f"\n{name}: left out, {reason}")


def report(title: str, rounds: list[dict[str, float]]) -> None:
    print(f"\n{title}")
    for row in rounds[0]:
        values = [figures[row] for figures in rounds]
        print(f"{row:36} {statistics.median(values):12,.2f}  ({min(values):,.2f} - {max(values):,.2f})")


main()
