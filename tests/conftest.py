"""Real parts that tests ask for by name; nothing starts unless one does."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import kafka_server
import postgres_server
import pytest
from samples import CANARY

GATEWAY_LOGS = ("out.log", "err.log")
"""What gateways as processes of their own leave behind, by `gateways.command`."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A gateway in this process logs to what pytest captures: no secret may be in it."""
    report = yield
    told = (text for name, text in report.sections if name.endswith(call.when) and CANARY in text)
    if report.passed and (text := next(told, None)) is not None:
        report.outcome = "failed"
        [line, *_] = [line for line in text.splitlines() if CANARY in line]
        report.longrepr = f"{item.nodeid} ({call.when}): a secret is in the log: {line}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_secret_in_any_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No gateway that any test started has written a secret anywhere but to its own data."""
    yield
    logs = [path for name in GATEWAY_LOGS for path in tmp_path_factory.getbasetemp().rglob(name)]
    assert not [str(path) for path in logs if CANARY.encode() in path.read_bytes()]


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


@pytest.fixture(scope="session")
def prometheus() -> None:
    """There is a Prometheus here, with its promtool."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        missing = pytest.fail if os.environ.get("REQUIRE_PROMETHEUS") == "1" else pytest.skip
        missing("PROMETHEUS TESTS ARE LEFT OUT: there is no prometheus (Debian's package of that name)")


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[kafka_server.Server]:
    """A broker to try faults on, which creates topics by itself: one that is only looked at would come into being."""
    try:
        with kafka_server.running(overrides={"auto.create.topics.enable": "true"}) as server:
            yield server
    except kafka_server.Unavailable as reason:
        _unavailable(reason)


def _no_postgres(reason: Exception) -> None:
    if os.environ.get("REQUIRE_POSTGRES") == "1":
        pytest.fail(f"REQUIRE_POSTGRES=1, but {reason}", pytrace=False)
    pytest.skip(f"POSTGRESQL TESTS ARE LEFT OUT: {reason}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server for tests that leave it alone."""
    try:
        with postgres_server.running() as server:
            yield server
    except postgres_server.Unavailable as reason:
        _no_postgres(reason)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[postgres_server.Server]:
    """A durable PostgreSQL server to try faults on."""
    try:
        with postgres_server.running(durable=True) as server:
            yield server
    except postgres_server.Unavailable as reason:
        _no_postgres(reason)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind that there is."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres").new_database()
        return url
    return f"sqlite:///{tmp_path}/views.db"
