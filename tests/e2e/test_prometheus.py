"""A real Prometheus watches real gateways: every panel and rule has data, and alerts fire and resolve with a fault."""

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import prometheus_server
import pytest
import yaml
from gateways import ROOT, free_port, serving
from kafka_server import Server
from prometheus_server import Prometheus, soon
from samples import CANARY, generic

from app.door.key_file import edit_keys
from app.door.keys import Key, digest, key_text

OBSERVABILITY = ROOT / "observability"
WRITER, READER, HASTY = (key_text(name, CANARY) for name in ("writer", "reader", "hasty"))
FAULT_ALERTS = {"SluiceBrokerAway", "SluiceBreakerOpen", "SluiceErrorRate"}
LAG = "sluice_consumer_lag"
SEEN = ("sluice_streams", "sluice_topics", "sluice_log_messages", "sluice_log_bytes", "sluice_consumer_lags_left_out")
COMPARISON = re.compile(r"(?<=\s)(==|>|<)(?=\s)")

pytestmark = [pytest.mark.usefixtures("prometheus")]


def promtool(*arguments: str, given: str = "") -> str:
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=OBSERVABILITY, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_configuration_and_its_rules():
    assert "2 rule files found" in promtool("check", "config", "prometheus.yml")


def test_promtool_sees_every_alert_quiet_at_first_and_firing_after_its_fault():
    assert "SUCCESS" in promtool("test", "rules", "tests/rules.yml")


def test_two_gateways_that_see_one_log_count_it_once(tmp_path):
    """What both tell of the log, in every query of a dashboard that asks for it."""
    lag = f'{LAG}{{job="sluice", group="g", stream="s", topic="t"'
    series = [
        *(f'{lag}, instance="{at}", partition="{number}"}} 5x9' for at in "ab" for number in (0, 1)),
        *(f'{name}{{job="sluice", instance="{at}"}} 10x9' for at in "ab" for name in SEEN),
    ]
    names = re.compile(rf"\b({'|'.join((LAG, *SEEN))})\b")
    queries = [asked(query) for query in panels().values() if names.search(query)]
    assert len(queries) == 7
    expected = [{"expr": f"max({query})", "eval_time": "5m"} for query in queries]
    for case in expected:
        once = 5 if "topk" in case["expr"] else 10
        case["exp_samples"] = [{"labels": "{}", "value": once}]
    inputs = [dict(zip(("series", "values"), each.rsplit(" ", 1), strict=True)) for each in series]
    tests = {"tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": expected}]}
    (tmp_path / "seen.yml").write_text(yaml.safe_dump(tests))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "seen.yml"))


@dataclass(frozen=True)
class Watched:
    """Two gateways under load, one on Kafka and one on the embedded log, and who watches them."""

    prometheus: Prometheus
    kafka: Server
    urls: tuple[str, str]


@dataclass
class Traffic:
    """Asks one gateway for everything that it can do, again and again."""

    url: str
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        numbers = count()
        self._ask(CANARY, "POST", "/streams", {"name": "orders"})
        self._ask(CANARY, "POST", "/streams/orders/topics", {"name": "paid", "partitions": 2})
        while not self.stopped.wait(0.05):
            self._round(next(numbers))

    def listen(self) -> None:
        """To a live feed, and to another one where that ends."""
        path = "/streams/sample-stream/topics/events/tail"
        request = urllib.request.Request(self.url + path, headers={"X-API-Key": CANARY})
        while not self.stopped.wait(0.2):
            with suppress(OSError), urllib.request.urlopen(request, timeout=5) as feed:
                while not self.stopped.is_set() and feed.readline():
                    pass

    def _round(self, number: int) -> None:
        self._ask(WRITER, "POST", "/messages", {"event": generic()})
        self._ask(WRITER, "POST", "/streams/orders/topics/paid/messages/batch", {"events": [generic()] * 5})
        self._ask(READER, "GET", f"/messages?consumer_id=c1&auto_commit=true&partition_id={number % 3}")
        self._ask(READER, "GET", "/streams/orders/topics/paid/messages?offset=0")
        if number % 5 == 0:
            self._ask(CANARY, "GET", "/events?type=test.event&limit=3")
            self._ask(CANARY, "GET", "/stats")
            self._ask(READER, "POST", "/messages", {"event": generic()})  # may not
            self._ask(HASTY, "GET", "/streams")  # too often
            self._ask("wrong", "GET", "/streams")
            self._ask(CANARY, "GET", "/nowhere")
            self._ask(CANARY, "POST", "/streams/no/topics/no/messages", {"event": generic()})

    def _ask(self, key: str, method: str, path: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as refused:
            refused.close()


@contextmanager
def under(traffic: list[Traffic]) -> Iterator[None]:
    threads = [threading.Thread(target=work) for each in traffic for work in (each.run, each.listen)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in traffic:
            each.stopped.set()
        for thread in threads:
            thread.join(60)


@pytest.fixture(scope="module")
def watched(prometheus, own_kafka, tmp_path_factory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    brokers = {"kafka": f"kafka://{own_kafka.address}", "embedded": "sqlite:///log.db"}
    with ExitStack() as stack:
        ports = {name: free_port() for name in brokers}
        urls = []
        for name, broker in brokers.items():
            (folder / name).mkdir()
            settings = _settings(folder / name, BROKER_URL=broker, METRICS_PORT=str(ports[name]))
            urls.append(stack.enter_context(serving(folder / name, **settings))[0])
        targets = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        stack.enter_context(under([Traffic(url) for url in urls for _ in range(2)]))
        watching = stack.enter_context(prometheus_server.running(folder / "prometheus", targets, soon))
        yield Watched(watching, own_kafka, (urls[0], urls[1]))


def _settings(folder: Path, **environ: str) -> dict[str, str]:
    """With deadlines and pauses short enough to be waited for."""
    keys = folder / "keys.json"
    hashes = (digest(CANARY).hex(),)
    edit_keys(
        keys,
        lambda _: [
            Key("writer", hashes, ("produce:*",)),
            Key("reader", hashes, ("consume:*",)),
            Key("hasty", hashes, ("consume:*",), rate_limit_rps=0.5, rate_limit_burst=1),
        ],
    )
    return {
        "API_KEY": CANARY,
        "API_KEYS_FILE": str(keys),
        "OPERATION_TIMEOUT_SECS": "2",
        "STATS_CACHE_TTL_SECS": "0.5",
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD": "2",
        "CIRCUIT_BREAKER_OPEN_DURATION_SECS": "8",
        **environ,
    }


def panels() -> dict[str, str]:
    """The queries by where they stand."""
    return {
        f"{path.stem}, {panel['id']} {panel['title']}, {target['refId']}": target["expr"]
        for path in sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    }


def rules() -> dict[str, str]:
    """The queries by their rules' names. An alert's answers true or false, instead of nothing while all is well."""
    files = [yaml.safe_load(path.read_text()) for path in (OBSERVABILITY / "rules").glob("*.yml")]
    every = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    queries = {rule.get("alert") or rule["record"]: COMPARISON.sub(r"\1 bool", rule["expr"]) for rule in every}
    assert len(queries) == len(every)
    return queries


def asked(expression: str) -> str:
    """As Grafana asks, with everything chosen."""
    return re.sub(r"\$[a-z]+", ".*", expression.replace("$__rate_interval", "10s"))


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


@pytest.mark.kafka
@pytest.mark.timeout(240)
@pytest.mark.parametrize("queries", [panels, rules])
def test_every_panel_and_every_rule_finds_data(watched, queries):
    left = {where: asked(expression) for where, expression in queries().items()}

    def all_found() -> bool:
        for where, expression in list(left.items()):
            if any(series["value"][1] != "NaN" for series in watched.prometheus.query(expression)):
                del left[where]
        return not left

    assert wait_until(all_found, 60), left


@pytest.mark.kafka
def test_promtool_finds_nothing_wrong_with_what_gateways_expose(watched):
    for url in watched.urls:
        request = urllib.request.Request(f"{url}/metrics", headers={"X-API-Key": CANARY})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        assert "sluice_send_duration_seconds_bucket" in text
        assert promtool("check", "metrics", given=text) == ""


@pytest.mark.kafka
def test_a_figure_leads_to_a_request(watched):
    found = []
    asked = "http_request_duration_seconds_bucket"

    def some() -> bool:
        found.extend(watched.prometheus.exemplars(asked))
        return bool(found)

    assert wait_until(some, 30)
    assert all(re.fullmatch(r"[0-9a-f-]{36}", labels["request_id"]) for labels in found)


@pytest.mark.kafka
@pytest.mark.timeout(240)
def test_alerts_fire_when_the_broker_goes_away_and_resolve_when_it_is_back(watched):
    firing = watched.prometheus.firing
    assert wait_until(lambda: not firing() & FAULT_ALERTS, 30), firing()
    watched.kafka.kill()
    try:
        assert wait_until(lambda: firing() >= FAULT_ALERTS, 60), firing()
        assert _away(watched) == {"kafka"}
    finally:
        watched.kafka.start()
    assert wait_until(lambda: not firing() & FAULT_ALERTS, 90), firing()


def _away(watched: Watched) -> set[str]:
    found = watched.prometheus.query('ALERTS{alertname="SluiceBrokerAway", alertstate="firing"}')
    return {series["metric"]["instance"] for series in found}
