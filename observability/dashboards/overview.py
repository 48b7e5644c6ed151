"""Whether all is well: is it up, how much, how fast, how often wrong."""

from observability.dashboards.panels import (
    HERE,
    Json,
    dashboard,
    graph,
    percentiles,
    quantile,
    rate,
    stat,
    table,
    total,
    worst,
)

_DURATION = "http_request_duration_seconds"
_COUNT = f"{_DURATION}_count"
_5XX = 'status=~"5.."'
_NO_FEED = 'route!~".*/tail"'


def overview() -> Json:
    return dashboard(
        "sluice-overview",
        "overview",
        "Whether all is well: is it up, how much, how fast, how often wrong.",
        (*_figures(), *_requests(), *_throughput(), *_processes()),
    )


def _figures() -> tuple[Json, ...]:
    return (
        stat("Gateways up", "none", 'sum(up{job="sluice"})', bad=("<", 1)),
        stat("Broker answers", "none", worst("sluice_connection_status", how="min"), bad=("<", 1)),
        stat("Requests", "reqps", rate(_COUNT)),
        stat(
            "Answers of 5xx",
            "percentunit",
            f"({rate(_COUNT, where=_5XX)} or vector(0)) / {rate(_COUNT)}",
            bad=(">", 0.01),
        ),
        stat("p99 of sends", "s", quantile(0.99, "sluice_send_duration_seconds"), bad=(">", 0.25)),
        stat("Alerts firing", "none", 'sum(ALERTS{alertstate="firing", job="sluice"}) or vector(0)', bad=(">", 1)),
        stat("Messages in", "ops", rate("events_created_total")),
        stat("Messages out", "ops", rate("sluice_messages_polled_total")),
        stat("In flight", "none", total("http_requests_in_flight")),
        stat("Streams", "none", worst("sluice_streams")),
        stat("Topics", "none", worst("sluice_topics")),
        stat("On the log", "decbytes", worst("sluice_log_bytes")),
    )


def _requests() -> tuple[Json, ...]:
    return (
        graph("Requests by route", "reqps", {"{{method}} {{route}}": rate(_COUNT, "method, route")}),
        graph("Requests by status", "reqps", {"{{status}}": rate(_COUNT, "status")}),
        graph("Errors", "reqps", {"{{code}}": rate("sluice_errors_total", "code")}),
        graph("Latency", "s", percentiles(_DURATION, _NO_FEED), "Polls that wait for messages are in it."),
        graph("p95 by route", "s", {"{{method}} {{route}}": quantile(0.95, _DURATION, "method, route", _NO_FEED)}),
        graph(
            "Bytes a request",
            "decbytes",
            {
                "received": f"{rate('http_request_bytes_total')} / {rate(_COUNT)}",
                "sent": f"{rate('http_response_bytes_total')} / {rate(_COUNT)}",
            },
        ),
        graph("Refused at the door", "reqps", {"{{reason}}": rate("sluice_refusals_total", "reason")}),
    )


def _throughput() -> tuple[Json, ...]:
    return (
        graph(
            "Messages",
            "ops",
            {
                "sent": rate("sluice_messages_sent_total", where='status="ok"'),
                "failed": rate("sluice_messages_sent_total", where='status="failed"'),
                "polled": rate("sluice_messages_polled_total"),
            },
        ),
        graph(
            "Message bytes",
            "Bps",
            {"in": rate("sluice_sent_bytes_total"), "out": rate("sluice_polled_bytes_total")},
        ),
        graph("Messages on the log", "none", {"{{instance}}": worst("sluice_log_messages", "instance")}),
    )


def _processes() -> tuple[Json, ...]:
    by = "{{instance}}"
    collected = f"{rate('python_gc_collections_total', 'generation')}"
    return (
        graph("CPU", "percentunit", {by: rate("process_cpu_seconds_total", "instance")}),
        graph("Memory", "bytes", {by: total("process_resident_memory_bytes", "instance")}),
        graph(
            "Open files",
            "none",
            {by: total("process_open_fds", "instance"), "most": worst("process_max_fds", how="min")},
            "Connections are files.",
        ),
        graph("Event loop late", "s", percentiles("sluice_event_loop_lag_seconds"), "Everybody waits for so long."),
        graph("In the garbage collector", "percentunit", {by: rate("sluice_gc_pause_seconds_total", "instance")}),
        graph(
            "Rounds of the garbage collector",
            "ops",
            {"generation {{generation}}": collected},
            "With one process a gateway. The oldest generation's are the long ones.",
        ),
        table("What runs", "none", f"sluice_build{{{HERE}}}"),
        table("Up for", "s", f"time() - process_start_time_seconds{{{HERE}}}"),
    )
