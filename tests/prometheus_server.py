"""A real Prometheus for tests: Debian's package, with the repository's rules on intervals of a second."""

import contextlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from kafka_server import free_port

RULES = Path(__file__).resolve().parent.parent / "observability" / "rules"


class Prometheus:
    """One that runs. Queries are PromQL, answered as of now."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[Any]:
        """The series, each with `metric` and `value`."""
        found: list[Any] = self._get("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def exemplars(self, expression: str) -> list[dict[str, str]]:
        """The labels of each that was scraped within the last minutes."""
        now = time.time()
        found = self._get("query_exemplars", query=expression, start=now - 300, end=now + 10)
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    def _get(self, what: str, **parameters: Any) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None


@contextlib.contextmanager
def running(folder: Path, targets: Mapping[str, str], rules: Callable[[str], str]) -> Iterator[Prometheus]:
    """One that scrapes the targets (address by instance) every second, under the job `sluice`.

    `rules` may change the text of each file of rules on its way.
    """
    config = _write(folder, targets, rules)
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_ready(f"http://{address}/-/ready", process, folder)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(20)


def soon(text: str) -> str:
    """Rules that judge by the last seconds instead of minutes and hours, and wait for no longer than a second."""
    text = re.sub(r"\[\d+[smh]\]", "[10s]", text)
    return re.sub(r"for: \d+m", "for: 1s", text)


def _write(folder: Path, targets: Mapping[str, str], rules: Callable[[str], str]) -> Path:
    (folder / "rules").mkdir(parents=True)
    for path in RULES.glob("*.yml"):
        (folder / "rules" / path.name).write_text(rules(path.read_text()))
    static = [{"targets": [address], "labels": {"instance": instance}} for instance, address in targets.items()]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [{"job_name": "sluice", "static_configs": static}],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def _wait_ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError((folder / "prometheus.log").read_text())
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=1).close()
            return
        time.sleep(0.1)
    raise TimeoutError("Prometheus did not become ready")
