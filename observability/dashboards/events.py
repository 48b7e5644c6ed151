"""Events by attribute, and live feeds."""

from observability.dashboards.panels import Json, dashboard, graph, quantile, rate, total

_EVENTS = 'route=~"/events.*"'
_DURATION = "http_request_duration_seconds"


def events() -> Json:
    return dashboard(
        "sluice-events",
        "events index and live feeds",
        "Events by attribute, and live feeds.",
        (*_index(), *_feeds()),
    )


def _index() -> tuple[Json, ...]:
    by = "{{instance}}"
    return (
        graph("Events stored", "ops", {by: rate("events_created_total", "instance")}),
        graph("Questions", "reqps", {"{{method}} {{route}}": rate(f"{_DURATION}_count", "method, route", _EVENTS)}),
        graph("p95", "s", {"{{method}} {{route}}": quantile(0.95, _DURATION, "method, route", _EVENTS)}),
        graph("Answers", "reqps", {"{{status}}": rate(f"{_DURATION}_count", "status", _EVENTS)}),
        graph("Index behind", "none", {by: total("sluice_index_lag", "instance")}, "Records not read yet."),
        graph("Size of the index", "decbytes", {by: total("sluice_file_bytes", "instance", 'holds="index"')}),
    )


def _feeds() -> tuple[Json, ...]:
    told = rate("sluice_messages_tailed_total", "stream, topic")
    return (
        graph("Live feeds", "none", {"{{transport}}": total("sluice_tails_open", "transport")}),
        graph("Told live", "ops", {"{{stream}} {{topic}}": told}, "By each feed."),
        graph("Too slow", "ops", {"feeds cut": rate("sluice_tails_cut_total")}),
    )
