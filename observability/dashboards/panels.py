"""The parts of a dashboard as Grafana's JSON has them."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "sluice-prometheus"}
WIDTH = 24
HERE = 'instance=~"$instance"'


def rate(counter: str, by: str = "", where: str = "") -> str:
    """A second, of all chosen instances."""
    return _sum(f"rate({counter}{{{_both(where)}}}[$__rate_interval])", by)


def total(gauge: str, by: str = "", where: str = "") -> str:
    return _sum(f"{gauge}{{{_both(where)}}}", by)


def worst(gauge: str, by: str = "", how: str = "max") -> str:
    return f"{how}{f' by ({by})' if by else ''} ({gauge}{{{HERE}}})"


def seen(gauge: str, by: str, within: str, where: str = "") -> str:
    """Of what every gateway sees alike, labelled `within` beside `by`: each once, however many gateways tell of it."""
    once = f"max by ({by}, {within}) ({gauge}{{{_both(where)}}})"
    return _sum(once, by)


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    names = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', names, where)})"


def percentiles(histogram: str, where: str = "") -> dict[str, str]:
    """Queries by what their lines are called."""
    return {f"p{share * 100:g}": quantile(share, histogram, where=where) for share in (0.5, 0.95, 0.99)}


def graph(title: str, unit: str, queries: Mapping[str, str], note: str = "", *, width: int = 8) -> Json:
    """Lines over time; the queries by what their lines are called, in which `{{label}}` stands for a label's value."""
    custom = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
    return {
        **_panel("timeseries", title, note, queries, width, 8),
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(title: str, unit: str, query: str, note: str = "", *, bad: tuple[str, float] | None = None) -> Json:
    """One figure. `bad` says from which value on it is red: above (">", x) or below ("<", x)."""
    green, red = {"color": "green", "value": None}, {"color": "red", "value": None}
    steps = [green]
    if bad:
        sign, value = bad
        steps = [green, {"color": "red", "value": value}] if sign == ">" else [red, {"color": "green", "value": value}]
    return {
        **_panel("stat", title, note, {"": query}, 4, 4),
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
    }


def table(title: str, unit: str, query: str, note: str = "", *, width: int = 12) -> Json:
    """The newest values, a row a series, the largest first."""
    panel = _panel("table", title, note, {"": query}, width, 8)
    panel["targets"][0] |= {"format": "table", "instant": True}
    hidden = {"id": "organize", "options": {"excludeByName": {"Time": True}}}
    return {
        **panel,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {"sortBy": [{"displayName": "Value", "desc": True}]},
        "transformations": [hidden],
    }


def variable(name: str, query: str) -> Json:
    """A choice at the top of the dashboard: any number of a label's values, at first all."""
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "sort": 1,
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard(uid: str, title: str, note: str, panels: Iterable[Json], variables: Iterable[Json] = ()) -> Json:
    instance = variable("instance", "label_values(sluice_build, instance)")
    link = {"type": "dashboards", "title": "Sluice", "tags": ["sluice"], "asDropdown": False}
    return {
        "uid": uid,
        "title": f"Sluice: {title}",
        "description": note,
        "tags": ["sluice"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "links": [{**link, "includeVars": True, "keepTime": True, "targetBlank": False}],
        "templating": {"list": [instance, *variables]},
        "annotations": {"list": [_ALERTS]},
        "panels": list(_placed(panels)),
    }


_ALERTS = {
    "name": "Alerts",
    "datasource": DATASOURCE,
    "enable": True,
    "iconColor": "red",
    "expr": 'ALERTS{alertstate="firing", job="sluice"}',
    "titleFormat": "{{alertname}}",
}


def _panel(kind: str, title: str, note: str, queries: Mapping[str, str], width: int, height: int) -> Json:
    targets = [
        {"refId": chr(ord("A") + number), "expr": query, "legendFormat": name, "datasource": DATASOURCE}
        for number, (name, query) in enumerate(queries.items())
    ]
    return {
        "type": kind,
        "title": title,
        "description": note,
        "datasource": DATASOURCE,
        "targets": targets,
        "gridPos": {"w": width, "h": height},
    }


def _placed(panels: Iterable[Json]) -> Iterable[Json]:
    """From left to right, a new row where the last one is full."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > WIDTH or (x and size["h"] != height):
            x, y = 0, y + height
        height = size["h"]
        yield {"id": number, **panel, "gridPos": {**size, "x": x, "y": y}}
        x += size["w"]


def _sum(vector: str, by: str) -> str:
    return f"sum by ({by}) ({vector})" if by else f"sum({vector})"


def _both(where: str) -> str:
    return f"{HERE}, {where}" if where else HERE
