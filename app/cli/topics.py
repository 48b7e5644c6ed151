"""`sluice topics`: which there are, new ones, their configuration, fewer."""

from collections.abc import Callable
from typing import Any

import click

from app.cli.client import Client, speaks_to_gateway
from app.cli.output import as_json, facts, show, sure, table

_COLUMNS = ("name", "partitions_count", "messages_count", "size_bytes", "created_at")
_FACTS = ("stream", "name", "created_at", "messages_count", "size_bytes", "configs")
_PARTITIONS = ("partition_id", "leader", "replicas", "in_sync", "log_start_offset", "high_watermark")


def _changes(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which a topic is made or changed."""
    for option in (
        click.option("--config", "configs", multiple=True, metavar="NAME=VALUE", help="Any of Kafka's; repeatable."),
        click.option("--cleanup-policy", help="delete, compact or compact,delete."),
        click.option("--retention-bytes", type=int, help="Bytes a partition keeps; -1: any number."),
        click.option("--retention-ms", type=int, help="Milliseconds for which messages stay; -1: for ever."),
        click.option("--partitions", type=int),
    ):
        command = option(command)
    return command


def _body(configs: tuple[str, ...], **given: Any) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if value is not None}
    pairs = [text.partition("=") for text in configs]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise click.BadParameter(f"{name!r} must be NAME=VALUE", param_hint="--config")
    return body | ({"configs": {name: value for name, _, value in pairs}} if pairs else {})


def _described(topic: dict[str, Any]) -> str:
    return f"{facts(topic, *_FACTS)}\n\n{table(topic['partitions'], *_PARTITIONS)}"


@click.group()
def topics() -> None:
    """Topics of a stream. The stream - holds the topics without one."""


@topics.command("list")
@click.argument("stream")
@as_json
@speaks_to_gateway
def list_topics(client: Client, stream: str, *, json_wanted: bool) -> None:
    """A stream's topics."""
    answer = client.call("GET", "streams", stream, "topics")
    show(answer, json_wanted=json_wanted, table=lambda rows: table(rows, *_COLUMNS))


@topics.command("show")
@click.argument("stream")
@click.argument("topic")
@as_json
@speaks_to_gateway
def show_topic(client: Client, stream: str, topic: str, *, json_wanted: bool) -> None:
    """One topic, with its configuration and partitions."""
    answer = client.call("GET", "streams", stream, "topics", topic)
    show(answer, json_wanted=json_wanted, table=_described)


@topics.command()
@click.argument("stream")
@click.argument("topic")
@_changes
@click.option("--replication-factor", type=int)
@as_json
@speaks_to_gateway
def create(client: Client, stream: str, topic: str, *, json_wanted: bool, **given: Any) -> None:
    """Make a topic."""
    answer = client.call("POST", "streams", stream, "topics", body=_body(name=topic, **given))
    show(answer, json_wanted=json_wanted, table=_described)


@topics.command()
@click.argument("stream")
@click.argument("topic")
@_changes
@as_json
@speaks_to_gateway
def alter(client: Client, stream: str, topic: str, *, json_wanted: bool, **given: Any) -> None:
    """More partitions; configurations on top of those it has."""
    answer = client.call("PATCH", "streams", stream, "topics", topic, body=_body(**given))
    show(answer, json_wanted=json_wanted, table=_described)


@topics.command()
@click.argument("stream")
@click.argument("topic")
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks_to_gateway
def delete(client: Client, stream: str, topic: str, *, yes: bool) -> None:
    """Delete a topic with its messages and committed offsets."""
    sure(f"topic {topic} of stream {stream} with all its messages", yes=yes)
    client.call("DELETE", "streams", stream, "topics", topic)
    click.echo(f"topic {topic} of stream {stream} deleted")
