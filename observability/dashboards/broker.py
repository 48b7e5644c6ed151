"""The broker and what protects from its bad days: connection, breaker, queue, and the embedded log's disk."""

from observability.dashboards.panels import Json, dashboard, graph, percentiles, rate, stat, total, worst

_BY = "{{instance}}"


def broker() -> Json:
    return dashboard(
        "sluice-broker",
        "broker and resilience",
        "The broker and what protects from its bad days: connection, breaker, queue, and the embedded log's disk.",
        (*_figures(), *_connection(), *_waiting(), *_embedded()),
    )


def _figures() -> tuple[Json, ...]:
    return (
        stat("Broker answers", "none", worst("sluice_connection_status", how="min"), bad=("<", 1)),
        stat("Breaker", "none", worst("sluice_circuit_breaker_state"), "0 closed, 1 half-open, 2 open", bad=(">", 1)),
        stat("Sends waiting", "none", total("sluice_send_queue")),
        stat("The oldest waits", "s", worst("sluice_send_queue_age_seconds"), bad=(">", 5)),
        stat("Bytes held", "decbytes", total("sluice_inflight_bytes")),
        stat("Totals read", "s", worst("sluice_stats_age_seconds"), "so long ago", bad=(">", 60)),
    )


def _connection() -> tuple[Json, ...]:
    return (
        graph("Connection", "none", {_BY: worst("sluice_connection_status", "instance", "min")}, "1: it answers."),
        graph("State", "none", {"{{state}}": total("sluice_connection_state", "state")}, "Processes in each state."),
        graph(
            "Made anew",
            "ops",
            {
                "attempts": rate("sluice_connection_reconnects_total"),
                "rebuilt: {{reason}}": rate("sluice_connection_rebuilds_total", "reason"),
            },
        ),
        graph(
            "Breaker",
            "none",
            {_BY: worst("sluice_circuit_breaker_state", "instance")},
            "0 closed, 1 half-open, 2 open.",
        ),
        graph("Breaker opened", "ops", {"opened": rate("sluice_circuit_breaker_opens_total")}),
        graph("Sends refused", "ops", {"{{state}}": rate("sluice_circuit_breaker_rejections_total", "state")}),
    )


def _waiting() -> tuple[Json, ...]:
    return (
        graph("Sends waiting", "none", {_BY: total("sluice_send_queue", "instance")}),
        graph("The oldest waits", "s", {_BY: worst("sluice_send_queue_age_seconds", "instance")}),
        graph("Bytes held", "decbytes", {_BY: total("sluice_inflight_bytes", "instance")}),
        graph("Limits without Redis", "ops", {"decided alone": rate("sluice_limit_fallbacks_total")}),
        graph("On one broker only", "none", {_BY: worst("sluice_unreplicated_topics", "instance")}, "Topics in use."),
        graph("Audit events lost", "ops", {"lost": rate("sluice_audit_lost_total")}),
        graph("Totals read", "s", {_BY: worst("sluice_stats_age_seconds", "instance")}, "So long ago."),
    )


def _embedded() -> tuple[Json, ...]:
    free, size = total("sluice_disk_free_bytes", "instance, holds"), total("sluice_disk_size_bytes", "instance, holds")
    return (
        graph("Embedded log: a commit", "s", percentiles("sluice_embedded_commit_seconds"), "Until it is on disk."),
        graph("Embedded log: sends a commit", "none", percentiles("sluice_embedded_commit_sends")),
        graph("Files", "decbytes", {"{{instance}} {{holds}}": total("sluice_file_bytes", "instance, holds")}),
        graph("Disk free", "percentunit", {"{{instance}} {{holds}}": f"{free} / {size}"}),
    )
