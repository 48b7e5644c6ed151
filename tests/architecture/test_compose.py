"""docker-compose.yaml holds together: what it starts, what the gateway is told, what watches it, what stays."""

import re
from collections.abc import Mapping

import pytest
import yaml
from dotenv import dotenv_values
from test_documents import ROOT, text

from app.database_url import PostgresUrl
from app.settings import Settings, load_settings

COMPOSE = yaml.safe_load(text("docker-compose.yaml"))
SERVICES = COMPOSE["services"]
FULL = dotenv_values(ROOT / ".env.compose")


def filled(value: str, given: Mapping[str, str | None]) -> str:
    """With `${NAME:-default}` filled in as compose does it."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], value)


def told(given: Mapping[str, str | None]) -> dict[str, str]:
    return {name: filled(value, given) for name, value in SERVICES["gateway"]["environment"].items()}


def test_the_small_stack_is_the_gateway_and_kafka():
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"gateway", "kafka"}
    assert all("full" in service["profiles"] for service in SERVICES.values() if "profiles" in service)
    for service in SERVICES.values():
        for needed in service.get("depends_on", {}):
            assert set(service.get("profiles", [])) >= set(SERVICES[needed].get("profiles", []))


def test_every_service_is_pinned_healthy_and_on_the_one_network():
    for name, service in SERVICES.items():
        assert service["networks"] == ["sluice"]
        if name != "gateway":  # its Dockerfile has both
            assert re.search(r":v?\d+(\.\d+)*(-alpine)?$", service["image"]), service["image"]
            assert service["healthcheck"]["test"][0] == "CMD"
    assert "HEALTHCHECK" in text("Dockerfile")
    assert set(COMPOSE["networks"]) == {"sluice"}


def test_every_volume_is_used_and_every_file_that_is_mounted_is_there():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    assert [mount for mount in mounts if mount.startswith(".") and not (ROOT / mount).exists()] == []


def test_nobody_but_this_machine_reaches_what_has_no_password():
    open_to_all = {port for service in SERVICES.values() for port in service.get("ports", []) if port.count(":") == 1}
    assert open_to_all == {"8000:8000", "9092:9092"}


@pytest.mark.parametrize("given", [{}, FULL], ids=["small", "full"])
def test_what_the_gateway_is_told_are_settings_of_its(given):
    environ = told(given)
    assert {name.lower() for name in environ} <= set(Settings.model_fields)
    settings = load_settings(environ)
    assert [server.partition(":")[0] for server in settings.broker.servers] == ["kafka"]


def test_the_full_stack_uses_the_database_and_redis_that_it_starts():
    settings = load_settings(told(FULL))
    assert isinstance(settings.database, PostgresUrl)
    postgres = SERVICES["postgres"]["environment"]
    assert settings.database.host == "postgres"
    assert settings.database.database == postgres["POSTGRES_DB"]
    assert settings.database.username == postgres["POSTGRES_USER"]
    assert settings.database.password == filled(postgres["POSTGRES_PASSWORD"], FULL)
    assert settings.redis_url.get_secret_value() == "redis://redis:6379/0"
    assert settings.otel_exporter_otlp_endpoint == "http://jaeger:4318"


def test_prometheus_asks_the_gateway_where_it_answers_and_keeps_fifteen_days():
    jobs = {job["job_name"]: job for job in yaml.safe_load(text("observability/prometheus.yml"))["scrape_configs"]}
    [targets] = jobs["sluice"]["static_configs"]
    assert targets["targets"] == [f"gateway:{SERVICES['gateway']['environment']['METRICS_PORT']}"]
    assert "--storage.tsdb.retention.time=15d" in SERVICES["prometheus"]["command"]
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]


def test_grafana_finds_its_dashboards_and_datasources_where_they_are_mounted():
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    folder = mounts["./observability/grafana/dashboards"]
    [provider] = yaml.safe_load(text("observability/grafana/provisioning/dashboards/sluice.yml"))["providers"]
    assert provider["options"]["path"] == folder
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(folder)
    for path in (ROOT / "observability/grafana/provisioning/datasources").iterdir():
        [datasource] = yaml.safe_load(path.read_text())["datasources"]
        host = re.fullmatch(r"http://(\w+):\d+", datasource["url"])[1]
        assert set(SERVICES[host]["profiles"]) == set(SERVICES["grafana"]["profiles"])


def test_the_ports_are_those_that_are_documented():
    published = {port.split(":")[-2] for service in SERVICES.values() for port in service.get("ports", [])}
    assert published == {"8000", "9091", "9092", "9090", "3001", "16686"}
    readme = text("README.md")
    assert [port for port in published if port not in readme] == []
