"""Every broker under the same promises. An implementation joins the suite with one line in `BROKERS`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import fresh_topic

from app.broker import Log
from app.brokers.memory import MemoryBroker
from app.topic import TopicSpec


@dataclass(frozen=True)
class Can:
    """What an implementation is able to; a test that needs more is left out for it."""

    survive_restart: bool = True
    dedupe: bool = True
    retain_promptly: bool = True


@dataclass(frozen=True)
class Implementation:
    can: Can
    open: Callable[[Path], AbstractAsyncContextManager[Log]]


DEDUPE = {"dedupe_window_secs": 600, "dedupe_max_ids": 200_000}


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Log]:
    broker = MemoryBroker(clock=time.time, retention_interval=0.05, **DEDUPE)
    await broker.open()
    yield broker
    await broker.close()


BROKERS = {"memory": Implementation(Can(survive_restart=False), memory)}


@pytest.fixture(params=BROKERS)
def implementation(request) -> Implementation:
    return BROKERS[request.param]


@pytest.fixture
def can(implementation) -> Can:
    return implementation.can


@pytest.fixture
async def log(implementation, tmp_path) -> AsyncIterator[Log]:
    async with implementation.open(tmp_path) as log:
        yield log


@pytest.fixture
async def topic(log) -> str:
    """A fresh topic of three partitions."""
    name = fresh_topic()
    await log.create(TopicSpec(name, 3))
    return name
