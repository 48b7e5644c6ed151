"""Every broker under the same promises. An implementation joins the suite with one line in `BROKERS`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import fresh_topic, wrapped

from app.broker import Log
from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.brokers.memory import MemoryBroker
from app.brokers.sqlite.broker import SqliteBroker
from app.topic import TopicSpec


@dataclass(frozen=True)
class Can:
    """What an implementation is able to; a test that needs more is left out for it."""

    survive_restart: bool = True
    dedupe: bool = True
    retain_promptly: bool = True


@dataclass(frozen=True)
class Implementation:
    """`open` is given what the fixture named `on` gives, and what of the dedupe window is to be other than usual; it is
    asked for only when a test runs.

    `model_runs` is how many histories the model test tries."""

    can: Can
    open: Callable[..., AbstractAsyncContextManager[Log]]
    on: str = "tmp_path"
    model_runs: int = 40


DEDUPE = {"dedupe_window_secs": 600, "dedupe_max_ids": 200_000}


@asynccontextmanager
async def memory(folder: Path, **dedupe: int) -> AsyncIterator[Log]:
    broker = MemoryBroker(clock=time.time, retention_interval=0.05, **(DEDUPE | dedupe))
    await broker.open()
    yield broker
    await broker.close()


@asynccontextmanager
async def reconnecting(folder: Path, **dedupe: int) -> AsyncIterator[Log]:
    inner = MemoryBroker(clock=time.time, retention_interval=0.05, **(DEDUPE | dedupe))
    broker = wrapped(inner)
    await broker.open()
    yield broker
    await broker.close()


@asynccontextmanager
async def kafka(servers: str, **dedupe: int) -> AsyncIterator[Log]:
    broker = KafkaBroker(KafkaOptions(tuple(servers.split(","))), **(DEDUPE | dedupe))
    await broker.open()
    yield broker
    await broker.close()


@asynccontextmanager
async def sqlite(folder: Path, **dedupe: int) -> AsyncIterator[Log]:
    broker = SqliteBroker(folder / "log.db", clock=time.time, retention_interval=0.05, **(DEDUPE | dedupe))
    await broker.open()
    yield broker
    await broker.close()


BROKERS = {
    "memory": Implementation(Can(survive_restart=False), memory),
    "reconnecting": Implementation(Can(survive_restart=False), reconnecting),
    "sqlite": Implementation(Can(), sqlite),
    "kafka": Implementation(Can(retain_promptly=False), kafka, on="kafka", model_runs=3),
}
MARKS = {"kafka": pytest.mark.kafka}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in BROKERS])
def implementation(request) -> Implementation:
    return BROKERS[request.param]


@pytest.fixture
def can(implementation) -> Can:
    return implementation.can


@pytest.fixture
def place(implementation, request) -> Any:
    """What the implementation is opened on; a second time, if it survives a restart."""
    return request.getfixturevalue(implementation.on)


@pytest.fixture
async def log(implementation, place) -> AsyncIterator[Log]:
    async with implementation.open(place) as log:
        yield log


@pytest.fixture
async def topic(log) -> str:
    """A fresh topic of three partitions."""
    name = fresh_topic()
    await log.create(TopicSpec(name, 3))
    return name
