"""`sluice offsets`: how far a consumer has read a topic, and where it goes on."""

from typing import Any

import click

from app.cli.client import Client, speaks_to_gateway
from app.cli.output import as_json, show, table

_COLUMNS = ("partition_id", "committed", "lag", "log_start_offset", "high_watermark")

_consumer = click.option("--consumer-id", default="1", show_default=True)


@click.group()
def offsets() -> None:
    """A consumer's committed offsets on a topic."""


@offsets.command("show")
@click.argument("stream")
@click.argument("topic")
@_consumer
@as_json
@speaks_to_gateway
def show_offsets(client: Client, stream: str, topic: str, consumer_id: str, *, json_wanted: bool) -> None:
    """How far it has read, and its lag."""
    answer = client.call("GET", "streams", stream, "topics", topic, "offsets", query={"consumer_id": consumer_id})
    show(answer, json_wanted=json_wanted, table=_table)


@offsets.command("set")
@click.argument("stream")
@click.argument("topic")
@_consumer
@click.option("--to", metavar="earliest|latest|TIME", help="TIME as in 2026-01-15T10:30:00Z.")
@click.option("--partition", "partitions", multiple=True, metavar="N=OFFSET", help="One partition; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show what would be, and change nothing.")
@as_json
@speaks_to_gateway
def set_offsets(client: Client, stream: str, topic: str, *, consumer_id: str, json_wanted: bool, **wanted: Any) -> None:
    """Let it go on from elsewhere."""
    query = {"consumer_id": consumer_id, "dry_run": str(wanted["dry_run"]).lower()}
    body = _body(wanted["to"], wanted["partitions"])
    answer = client.call("PUT", "streams", stream, "topics", topic, "offsets", query=query, body=body)
    show(answer, json_wanted=json_wanted, table=_table)


@offsets.command()
@click.argument("stream")
@click.argument("topic")
@_consumer
@speaks_to_gateway
def forget(client: Client, stream: str, topic: str, consumer_id: str) -> None:
    """Forget them: its next poll begins at the log's start."""
    client.call("DELETE", "streams", stream, "topics", topic, "offsets", query={"consumer_id": consumer_id})
    click.echo(f"offsets of consumer {consumer_id} on topic {topic} of stream {stream} forgotten")


def _table(answer: dict[str, Any]) -> str:
    return table(answer["partitions"], *_COLUMNS)


def _body(to: str | None, partitions: tuple[str, ...]) -> dict[str, Any]:
    if (to is None) == (not partitions):
        raise click.UsageError("say either --to or --partition")
    if to is not None:
        return {"to": to}
    pairs = [text.partition("=") for text in partitions]
    if not all(number.isdigit() and offset.isdigit() for number, _, offset in pairs):
        raise click.BadParameter("must be such as 0=42", param_hint="--partition")
    return {"partitions": [{"partition_id": int(number), "offset": int(offset)} for number, _, offset in pairs]}
