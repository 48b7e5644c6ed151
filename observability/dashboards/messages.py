"""Messages by stream and topic, and how far their consumers are."""

from observability.dashboards.panels import (
    HERE,
    Json,
    dashboard,
    graph,
    percentiles,
    quantile,
    rate,
    seen,
    table,
    variable,
    worst,
)

_CHOSEN = 'stream=~"$stream", topic=~"$topic"'
_TOPIC = "stream, topic"
_NAME = "{{stream}} {{topic}}"
_LAG = f'{_CHOSEN}, group=~"$group"'


def messages() -> Json:
    return dashboard(
        "sluice-messages",
        "messages and consumers",
        "Messages by stream and topic, and how far their consumers are.",
        (*_sending(), *_polling(), *_consumers()),
        (
            variable("stream", "label_values(sluice_messages_sent_total, stream)"),
            variable("topic", 'label_values(sluice_messages_sent_total{stream=~"$stream"}, topic)'),
            variable("group", "label_values(sluice_consumer_lag, group)"),
        ),
    )


def _sending() -> tuple[Json, ...]:
    return (
        graph("Sent", "ops", {_NAME: rate("sluice_messages_sent_total", _TOPIC, f'{_CHOSEN}, status="ok"')}),
        graph("Failed", "ops", {_NAME: rate("sluice_messages_sent_total", _TOPIC, 'status="failed"')}),
        graph("Bytes sent", "Bps", {_NAME: rate("sluice_sent_bytes_total", _TOPIC, _CHOSEN)}),
        graph("Until acknowledged", "s", percentiles("sluice_send_duration_seconds", _CHOSEN)),
        graph("p95 by topic", "s", {_NAME: quantile(0.95, "sluice_send_duration_seconds", _TOPIC, _CHOSEN)}),
        graph("Messages a send", "none", percentiles("sluice_send_batch_size"), "Of all topics together."),
    )


def _polling() -> tuple[Json, ...]:
    return (
        graph("Polled", "ops", {_NAME: rate("sluice_messages_polled_total", _TOPIC, _CHOSEN)}),
        graph("Bytes polled", "Bps", {_NAME: rate("sluice_polled_bytes_total", _TOPIC, _CHOSEN)}),
        graph(
            "A poll",
            "s",
            percentiles("sluice_poll_duration_seconds", _CHOSEN),
            "The time that a poll waits for messages is in it.",
        ),
    )


def _consumers() -> tuple[Json, ...]:
    return (
        graph(
            "Lag",
            "none",
            {"{{group}} {{stream}} {{topic}}": seen("sluice_consumer_lag", f"group, {_TOPIC}", "partition", _LAG)},
            "Records that a consumer has still to read.",
        ),
        graph(
            "Commits refused",
            "ops",
            {"refused": rate("sluice_commits_refused_total")},
            "After the answer was out: these messages come again.",
        ),
        graph("Lags left out", "none", {"lags": worst("sluice_consumer_lags_left_out")}, "The smallest of too many."),
        table(
            "Furthest behind",
            "none",
            f"topk(20, max by (group, {_TOPIC}, partition) (sluice_consumer_lag{{{HERE}, {_LAG}}}))",
            width=24,
        ),
    )
