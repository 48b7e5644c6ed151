"""Kafka in a container, of the tests and of docker-compose.yaml: one image, the same settings, both good for Kafka.

Also where there is no Docker engine: then nobody would see before others do that the two have parted.
"""

import os
import subprocess
from pathlib import Path

import kafka_server
import pytest
import yaml
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from app.broker_url import parse_broker_url

COMPOSE = yaml.safe_load((kafka_server.ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["kafka"]
OF_TESTS = kafka_server.container_environment("127.0.0.1:9092")

PLACES = {
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
    "KAFKA_INTER_BROKER_LISTENER_NAME",
    "KAFKA_CONTROLLER_QUORUM_VOTERS",
    "KAFKA_LOG_DIRS",
}
"""Where it is and where its data lies: of these, each has its own."""

QUICKER = {
    "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS",
    "KAFKA_BROKER_SESSION_TIMEOUT_MS",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS",
    "KAFKA_LOG_CLEANER_BACKOFF_MS",
    "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE",
    "KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS",
}
"""What only the tests set, to wait and to weigh less."""


def test_the_image_is_that_of_compose():
    assert SERVICE["image"] == kafka_server.IMAGE


def test_the_settings_are_those_of_compose():
    assert {name: OF_TESTS[name] for name in SERVICE["environment"].keys() - PLACES} == {
        name: value for name, value in SERVICE["environment"].items() if name not in PLACES
    }
    assert OF_TESTS.keys() - SERVICE["environment"].keys() == QUICKER


def test_compose_advertises_where_the_gateway_and_the_host_look_for_it():
    advertised = SERVICE["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    [server] = parse_broker_url(COMPOSE["services"]["gateway"]["environment"]["BROKER_URL"]).servers
    assert f"INTERNAL://{server}" in advertised
    assert "EXTERNAL://localhost:9092" in advertised
    assert SERVICE["ports"] == ["9092:9092"]
    assert f"kafka-data:{SERVICE['environment']['KAFKA_LOG_DIRS']}" in SERVICE["volumes"]


@pytest.mark.kafka
@pytest.mark.parametrize("environment", [OF_TESTS, SERVICE["environment"]], ids=["tests", "compose"])
def test_kafka_itself_takes_the_settings(environment, tmp_path):
    """Its own tool reads and checks them all before it formats a folder."""
    settings = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in environment.items()}
    settings["log.dirs"] = str(tmp_path / "data")
    config = tmp_path / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    format_or_skip(config)
    assert (tmp_path / "data" / "meta.properties").is_file()


@pytest.mark.kafka
def test_kafka_itself_refuses_settings_that_do_not_fit_together(tmp_path):
    """Or the test before would say nothing."""
    config = tmp_path / "server.properties"
    config.write_text("process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@kafka:9093\n")
    with pytest.raises(subprocess.CalledProcessError):
        format_or_skip(config)


def format_or_skip(config: Path) -> None:
    try:
        kafka_server.format_storage(config)
    except kafka_server.Unavailable as reason:
        (pytest.fail if os.environ.get("REQUIRE_KAFKA") == "1" else pytest.skip)(f"KAFKA TESTS ARE LEFT OUT: {reason}")


def test_testcontainers_has_the_words_that_the_fixture_uses():
    container = ("with_bind_ports", "with_env", "waiting_for", "start", "stop", "get_wrapped_container", "get_logs")
    assert [word for word in container if not callable(getattr(DockerContainer, word, None))] == []
    assert callable(LogMessageWaitStrategy(kafka_server.STARTED).with_startup_timeout)
