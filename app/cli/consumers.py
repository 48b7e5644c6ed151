"""`sluice consumers`: the consumer groups that the broker knows."""

from typing import Any

import click

from app.cli.client import Client, speaks_to_gateway
from app.cli.output import as_json, facts, show, table

_COLUMNS = ("group", "consumer_id", "state", "members", "lag")
_FACTS = ("group", "consumer_id", "state", "lag")
_MEMBERS = ("member_id", "client_id", "host", "partitions")
_PARTITIONS = ("stream", "topic", "partition_id", "committed", "high_watermark", "lag")


@click.group()
def consumers() -> None:
    """Consumer groups, Kafka's own included."""


@consumers.command("list")
@as_json
@speaks_to_gateway
def list_groups(client: Client, *, json_wanted: bool) -> None:
    """Every group, with its lag."""
    answer = client.call("GET", "consumers")
    show(answer, json_wanted=json_wanted, table=lambda rows: table(rows, *_COLUMNS))


@consumers.command("show")
@click.argument("group")
@as_json
@speaks_to_gateway
def show_group(client: Client, group: str, *, json_wanted: bool) -> None:
    """One group by its full name, with members and partitions."""
    show(client.call("GET", "consumers", group), json_wanted=json_wanted, table=_described)


def _described(group: dict[str, Any]) -> str:
    parts = [facts(group, *_FACTS)]
    if group["members"]:
        parts.append(table([_member(member) for member in group["members"]], *_MEMBERS))
    if group["partitions"]:
        parts.append(table(group["partitions"], *_PARTITIONS))
    return "\n\n".join(parts)


def _member(member: dict[str, Any]) -> dict[str, Any]:
    return member | {"partitions": [f"{p['stream']}.{p['topic']}/{p['partition_id']}" for p in member["partitions"]]}
