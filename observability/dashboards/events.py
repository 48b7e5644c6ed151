"""Events by attribute, and live feeds."""

from observability.dashboards.panels import Json, dashboard, graph, quantile, rate, total

_EVENTS = 'route=~"/events.*"'
_DURATION = "http_request_duration_seconds"


def events() -> Json:
    return dashboard(
        "sluice-events",
        "events index and live feeds",
        "Events by attribute, and live feeds.",
        (
            graph("Events stored", "ops", {"{{instance}}": rate("events_created_total", "instance")}),
            graph("Questions", "reqps", {"{{method}} {{route}}": rate(f"{_DURATION}_count", "method, route", _EVENTS)}),
            graph("p95", "s", {"{{method}} {{route}}": quantile(0.95, _DURATION, "method, route", _EVENTS)}),
            graph("Answers", "reqps", {"{{status}}": rate(f"{_DURATION}_count", "status", _EVENTS)}),
            graph(
                "Index behind", "none", {"{{instance}}": total("sluice_index_lag", "instance")}, "Records not read yet."
            ),
            graph(
                "Size of the index",
                "decbytes",
                {"{{instance}}": total("sluice_file_bytes", "instance", 'holds="index"')},
            ),
        ),
    )
