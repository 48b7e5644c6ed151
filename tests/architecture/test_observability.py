"""What watches the gateway names what there is: metrics ⇔ dashboards and rules, alerts ⇔ runbook and their tests."""

import json
import re

import yaml
from test_documents import ROOT, text

from app.telemetry.metrics import Metrics
from observability.dashboards.__main__ import rendered

FOLDER = ROOT / "observability"
NOT_SHOWN = "(on no dashboard"
NAME = re.compile(r"\b(?:sluice|http|events|process|python)_[a-z0-9_]+\b")
PARTS = re.compile(r"_(?:bucket|count|sum|total)$")


def families() -> set[str]:
    return {family.name for family in Metrics().registry.collect()}


def family(name: str, known: set[str]) -> str:
    """The metric that a series belongs to; the name itself, where there is none."""
    return name if name in known else PARTS.sub("", name)


def dashboards() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))]


def queries_of(dashboard: dict) -> list[str]:
    variables = [variable["definition"] for variable in dashboard["templating"]["list"]]
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + variables


def rules() -> list[dict]:
    files = [yaml.safe_load(path.read_text()) for path in (FOLDER / "rules").glob("*.yml")]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict]:
    return [rule for rule in rules() if "alert" in rule]


def test_the_dashboards_are_those_that_are_written_down():
    written = {path.name: path.read_text() for path in (FOLDER / "grafana" / "dashboards").iterdir()}
    assert written == rendered()


def test_every_metric_is_on_a_dashboard_or_has_a_reason_why_not():
    known = families()
    shown = {family(name, known) for each in dashboards() for query in queries_of(each) for name in NAME.findall(query)}
    rows = re.findall(rf"^\| `([a-z_]+)`.*{re.escape(NOT_SHOWN)}", text("docs/metrics.md"), re.MULTILINE)
    excused = {family(name, known) for name in rows}
    assert known - shown == excused


def test_every_metric_that_a_panel_or_rule_names_exists():
    known = families()
    queries = [query for each in dashboards() for query in queries_of(each)] + [rule["expr"] for rule in rules()]
    named = {family(name, known) for query in queries for name in NAME.findall(re.sub(r'"[^"]*"', "", query))}
    named -= {rule["record"].split(":")[1] for rule in rules() if "record" in rule}
    assert named <= known


def test_every_recorded_name_that_is_asked_for_is_recorded():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    queries = [query for each in dashboards() for query in queries_of(each)] + [rule["expr"] for rule in rules()]
    asked = {name for query in queries for name in re.findall(r"\b[a-z]+:[a-z_0-9]+:[a-z_0-9]+\b", query)}
    assert asked <= recorded


def test_dashboards_are_what_grafana_reads():
    seen = set()
    for dashboard in dashboards():
        assert re.fullmatch(r"sluice-[a-z]+", dashboard["uid"])
        assert (dashboard["refresh"], dashboard["tags"]) == ("5s", ["sluice"])
        assert [link["tags"] for link in dashboard["links"]] == [["sluice"]]
        assert dashboard["templating"]["list"][0]["name"] == "instance"
        seen.add(dashboard["uid"])
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        for panel in dashboard["panels"]:
            assert panel["type"] in {"timeseries", "stat", "table"}
            assert panel["title"]
            assert panel["targets"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
            assert "unit" in panel["fieldConfig"]["defaults"]
        _no_overlaps(dashboard["panels"])
    assert len(seen) == len(dashboards()) == 5


def _no_overlaps(panels: list[dict]) -> None:
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells


def test_variables_that_queries_use_are_there_and_those_that_are_there_are_used():
    for dashboard in dashboards():
        used = {name for query in queries_of(dashboard) for name in re.findall(r"\$([a-z]+)", query)}
        assert used == {variable["name"] for variable in dashboard["templating"]["list"]}


def test_the_datasource_is_the_one_that_panels_ask():
    path = FOLDER / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    [datasource] = yaml.safe_load(path.read_text())["datasources"]
    asked = {panel["datasource"]["uid"] for dashboard in dashboards() for panel in dashboard["panels"]}
    assert asked == {datasource["uid"]}


def test_every_alert_has_its_paragraph_in_the_runbook_and_the_other_way_round():
    written = re.findall(r"^## (\w+)\n\S", text("docs/runbook.md"), re.MULTILINE)
    assert written == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]


def test_every_rule_has_a_test():
    tests = yaml.safe_load((FOLDER / "tests" / "rules.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    quiet = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if not case["exp_alerts"]}
    assert fired == quiet == {alert["alert"] for alert in alerts()}
    asked = " ".join(case["expr"] for test in tests for case in test.get("promql_expr_test", []))
    assert [rule["record"] for rule in rules() if "record" in rule and rule["record"] not in asked] == []
