"""Real parts that tests ask for by name; nothing starts unless one does."""

import os
from collections.abc import Iterator

import kafka_server
import pytest


def _unavailable(reason: Exception) -> None:
    if os.environ.get("REQUIRE_KAFKA") == "1":
        pytest.fail(f"REQUIRE_KAFKA=1, but {reason}", pytrace=False)
    pytest.skip(f"KAFKA TESTS ARE LEFT OUT: {reason}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap servers of a Kafka cluster that creates no topics by itself."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    try:
        with kafka_server.running() as server:
            yield server.address
    except kafka_server.Unavailable as reason:
        _unavailable(reason)


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[kafka_server.Server]:
    """A broker to try faults on, which creates topics by itself: one that is only looked at would come into being."""
    try:
        with kafka_server.running(overrides={"auto.create.topics.enable": "true"}) as server:
            yield server
    except kafka_server.Unavailable as reason:
        _unavailable(reason)
