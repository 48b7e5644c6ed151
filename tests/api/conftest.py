"""Gateways on each broker, for every test of the API."""

import uuid
from collections.abc import AsyncIterator

import pytest
from clients import Client, running


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A gateway on memory with the default settings."""
    async with running() as client:
        yield client


@pytest.fixture
def start():
    """For tests that need settings of their own: `async with start(BATCH_MAX_SIZE="3") as client:`."""
    return running


def _url(kind: str, request, tmp_path) -> str:
    if kind == "kafka":
        return f"kafka://{request.getfixturevalue('kafka')}"
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/log.db"}[kind]


@pytest.fixture(params=["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker_url(request, tmp_path) -> str:
    return _url(request.param, request, tmp_path)


@pytest.fixture
async def any_client(broker_url) -> AsyncIterator[Client]:
    """The same gateway on each broker, its default stream nobody else's."""
    async with running(BROKER_URL=broker_url, DEFAULT_STREAM=f"s{uuid.uuid4().hex[:12]}") as client:
        yield client
