"""A real Kafka beside Kafka's own performance tools, on the same machine at the same time of day."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kafka_server

from benchmarks import processes
from benchmarks.embedded import Figures
from benchmarks.load import joined
from benchmarks.requests import BATCH, BATCHES, IDLE_POLLS, POLLS, READING_ON, SINGLES, run

RECORDS = 600_000
WARM_SECONDS = 4.0
TURNS = 4
"""Of single POSTs with what they are compared with: how fast the machine is changes from one second to the next."""

TOPIC = "sample-stream.floor"


class Kafka:
    """One broker and one gateway for all rounds; a second gateway on memory tells what HTTP alone costs."""

    title = "Kafka"

    def __init__(self, address: str, port: int, pid: int, memory_port: int, bare_port: int) -> None:
        self._address = address
        self._port = port
        self._pid = pid
        self._memory_port = memory_port
        self._bare_port = bare_port

    def one_round(self, seconds: float) -> Figures:
        produced = self._producer_performance()
        consumed = self._consumer_performance()
        health = run(self._memory_port, [b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"], seconds)
        memory_single = run(self._memory_port, SINGLES, seconds)
        memory_batch = run(self._memory_port, BATCHES, seconds)
        turns = [[run(port, SINGLES, seconds / 2) for port in (self._bare_port, self._port)] for _ in range(TURNS)]
        bare, single = map(joined, zip(*turns, strict=True))
        batch = run(self._port, BATCHES, seconds)
        polls = run(self._port, POLLS, seconds, 4)
        reading_on = run(self._port, READING_ON, seconds, 4)
        idle = run(self._port, IDLE_POLLS, seconds, 1)
        return {
            "ProducerPerformance, records/s": produced,
            "ConsumerPerformance, records/s": consumed,
            "bare aiohttp, requests/s": bare.rate,
            "GET /health, requests/s": health.rate,
            "single POST on memory, requests/s": memory_single.rate,
            "single POST, requests/s": single.rate,
            "single POST, p50 ms": single.percentile(0.5) * 1000,
            "single POST, p99 ms": single.percentile(0.99) * 1000,
            "batches of 100 on memory, records/s": memory_batch.rate * BATCH,
            "batches of 100, records/s": batch.rate * BATCH,
            "batches of 100, p50 ms": batch.percentile(0.5) * 1000,
            "polls of 1000, records/s": polls.rate * 1000,
            "the same, reading on, records/s": reading_on.rate * 1000,
            "idle poll, p50 ms": idle.percentile(0.5) * 1000,
            "single / bare aiohttp": single.rate / bare.rate,
            "batches / ProducerPerformance": batch.rate * BATCH / produced,
            "polls / ConsumerPerformance": polls.rate * 1000 / consumed,
            "reading on / ConsumerPerformance": reading_on.rate * 1000 / consumed,
            "gateway memory, MiB": processes.resident_mib(self._pid),
        }

    def _producer_performance(self) -> float:
        options = ["--topic", TOPIC, "--num-records", str(RECORDS), "--record-size", "300", "--throughput", "-1"]
        config = ["--producer-props", f"bootstrap.servers={self._address}", "acks=all"]
        out = _java("org.apache.kafka.tools.ProducerPerformance", *options, *config)
        return float(re.findall(r"([\d.]+) records/sec", out)[-1])

    def _consumer_performance(self) -> float:
        options = ["--topic", TOPIC, "--num-records", str(RECORDS), "--bootstrap-server", self._address]
        out = _java("org.apache.kafka.tools.ConsumerPerformance", *options, "--hide-header")
        return float(out.strip().splitlines()[-1].split(",")[-1])


@contextmanager
def kafka() -> Iterator[Kafka]:
    """Raises kafka_server.Unavailable."""
    with tempfile.TemporaryDirectory() as name, kafka_server.running() as server:
        (folder := Path(name) / "kafka").mkdir()
        (beside := Path(name) / "memory").mkdir()
        with (
            processes.gateway(folder, BROKER_URL=f"kafka://{server.address}") as (port, pid),
            processes.gateway(beside, BROKER_URL="memory://", TOPIC_RETENTION_MS="1000") as (memory_port, _),
            processes.bare_aiohttp() as bare_port,
        ):
            _java(
                "org.apache.kafka.tools.TopicCommand",
                *("--create", "--topic", TOPIC, "--partitions", "3", "--bootstrap-server", server.address),
            )
            for requests in (SINGLES, BATCHES):  # a JVM that has just started is still compiling what it does
                run(port, requests, WARM_SECONDS)
            yield Kafka(server.address, port, pid, memory_port, bare_port)


def _java(*arguments: str) -> str:
    done = subprocess.run([*kafka_server.java_command(), *arguments], check=True, capture_output=True, text=True)
    return done.stdout
