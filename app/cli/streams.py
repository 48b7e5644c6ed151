"""`sluice streams`: which there are, new ones, fewer."""

import click

from app.cli.client import Client, speaks_to_gateway
from app.cli.output import as_json, show, sure, table

_COLUMNS = ("name", "topics_count", "messages_count", "size_bytes", "created_at")


@click.group()
def streams() -> None:
    """Streams: groups of topics under one name."""


@streams.command("list")
@as_json
@speaks_to_gateway
def list_streams(client: Client, *, json_wanted: bool) -> None:
    """Every stream, with topics, messages and bytes."""
    answer = client.call("GET", "streams")
    show(answer, json_wanted=json_wanted, table=lambda rows: table(rows, *_COLUMNS))


@streams.command()
@click.argument("name")
@as_json
@speaks_to_gateway
def create(client: Client, name: str, *, json_wanted: bool) -> None:
    """Make a stream."""
    answer = client.call("POST", "streams", body={"name": name})
    show(answer, json_wanted=json_wanted, table=lambda made: f"stream {made['name']} made")


@streams.command("show")
@click.argument("name")
@as_json
@speaks_to_gateway
def show_stream(client: Client, name: str, *, json_wanted: bool) -> None:
    """One stream."""
    answer = client.call("GET", "streams", name)
    show(answer, json_wanted=json_wanted, table=lambda found: table([found], *_COLUMNS))


@streams.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks_to_gateway
def delete(client: Client, name: str, *, yes: bool) -> None:
    """Delete a stream with its topics."""
    sure(f"stream {name} with all its topics and messages", yes=yes)
    client.call("DELETE", "streams", name)
    click.echo(f"stream {name} deleted")
