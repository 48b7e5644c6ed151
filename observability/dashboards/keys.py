"""Who uses the gateway, by the names of their keys."""

from observability.dashboards.panels import Json, dashboard, graph, rate, table, variable

_CHOSEN = 'key=~"$key"'


def keys() -> Json:
    return dashboard(
        "sluice-keys",
        "use by key",
        "Who uses the gateway, by the names of their keys; _unknown came without a valid one.",
        (
            graph("Requests", "reqps", {"{{key}}": rate("sluice_key_requests_total", "key", _CHOSEN)}),
            graph("Messages sent", "ops", {"{{key}}": rate("sluice_key_messages_total", "key", _CHOSEN)}),
            graph("Bytes sent", "Bps", {"{{key}}": rate("sluice_key_bytes_total", "key", _CHOSEN)}),
            graph(
                "Limited",
                "reqps",
                {"{{key}} {{reason}}": rate("sluice_refusals_total", "key, reason", f"{_CHOSEN}, {_LIMITS}")},
            ),
            graph(
                "Refused",
                "reqps",
                {"{{key}} {{reason}}": rate("sluice_refusals_total", "key, reason", f"{_CHOSEN}, {_REFUSALS}")},
            ),
            table(
                "Most requests within the hour",
                "none",
                f'topk(20, sum by (key) (increase(sluice_key_requests_total{{instance=~"$instance", {_CHOSEN}}}[1h])))',
                width=8,
            ),
        ),
        (variable("key", "label_values(sluice_key_requests_total, key)"),),
    )


_LIMITS = 'reason=~".*_limited"'
_REFUSALS = 'reason!~".*_limited"'
