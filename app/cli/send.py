"""`sluice send`: events from files or standard input onto a topic."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import click

from app.cli.client import Client, Conversation, Refused, Trouble, speaks_to_gateway
from app.cli.events_in import Item, read_items
from app.cli.messages import patience, patiently, run, topic
from app.cli.progress import progress
from app.exits import EX_DATAERR, EX_UNAVAILABLE

_MOST_BYTES = 4 << 20
"""Of one request's events; the gateway takes 10 MiB unless it is told otherwise."""

_PASSING = {"connection_failed", "disconnected", "circuit_open", "overloaded", "shutting_down", "timeout", "send_error"}
_SHOWN = 5

Result = dict[str, Any]


@click.command()
@click.argument("files", nargs=-1, type=click.File("rb"), default=("-",))
@topic
@click.option("--key", metavar="KEY", help="Of those that have none of their own: one key, one partition, in order.")
@click.option(
    "--batch", type=click.IntRange(1), default=500, show_default=True, help="Events in one request; 1: each at once."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print what became of each event, a line of JSON each.")
@patience
@speaks_to_gateway
def send(client: Client, files: Sequence[IO[bytes]], path: tuple[str, ...], **options: Any) -> None:
    """Send the events of FILES, or of standard input.

    They are JSON: an event a line (NDJSON), an array of them, or one; also messages such as
    {"event": {…}, "partition_key": "k"}. An event without an id gets one. What is not acknowledged is sent
    again with the same ids, so that each is stored once.
    """
    run(_Sending(client, files, path, _How(**options)).all())


@dataclass(frozen=True)
class _How:
    """What was asked for, by the options' names."""

    key: str | None
    batch: int
    json_wanted: bool
    patience: float

    def body(self, items: Sequence[Item]) -> bytes:
        """The request that sends these."""
        end = b"]}" if self.key is None else f'],"partition_key":{json.dumps(self.key)}}}'.encode()
        return b'{"messages":[' + b",".join(item.message for item in items) + end


class _Sending:
    """One run of the command."""

    def __init__(self, client: Client, files: Sequence[IO[bytes]], path: tuple[str, ...], how: _How) -> None:
        self._client = client
        self._files = files
        self._path = path
        self._how = how
        self._sent = 0
        self._repeats = 0

    async def all(self) -> None:
        try:
            with progress(self._files) as moved:
                async with self._client.open() as gateway:
                    for items in self._batches():
                        await self._send(gateway, items)
                        moved(self._sent)
        finally:
            repeats = f", {self._repeats:,} of them there already" if self._repeats else ""
            click.echo(f"{self._sent:,} sent{repeats}", err=self._how.json_wanted)

    def _batches(self) -> Iterator[list[Item]]:
        items: list[Item] = []
        size = 0
        for item in chain.from_iterable(read_items(file, _name(file)) for file in self._files):
            if items and (len(items) == self._how.batch or size + len(item.message) > _MOST_BYTES):
                yield items
                items, size = [], 0
            items.append(item)
            size += len(item.message)
        if items:
            yield items

    async def _send(self, gateway: Conversation, items: list[Item]) -> None:
        left = items

        async def attempt() -> None:
            nonlocal left
            try:
                answer = await gateway.ask("POST", *self._path, "batch", body=self._how.body(left))
            except Refused as refused:
                raise _placed(refused, left) from None
            results = json.loads(answer)
            failed = [(item, result) for item, result in zip(left, results, strict=True) if not result["success"]]
            self._note([result for result in results if result["success"]])
            left = [item for item, _ in failed]
            if failed:
                raise _trouble(failed)

        await patiently(attempt, self._how.patience)

    def _note(self, results: list[Result]) -> None:
        self._sent += len(results)
        self._repeats += sum("duplicate" in result for result in results)
        if self._how.json_wanted:
            click.echo("\n".join(json.dumps(result, ensure_ascii=False) for result in results))


def _name(file: IO[bytes]) -> str:
    name = getattr(file, "name", "-")
    return name if name != "<stdin>" else "-"


def _placed(refused: Refused, items: list[Item]) -> Trouble:
    """The same, telling where in the input it is."""
    details = refused.details if isinstance(refused.details, list) else []
    told = [f"{items[each['index']].place} {each['field']}: {each['message']}" for each in details if "index" in each]
    if not told:
        return refused
    more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    return Trouble("; ".join([*told[:_SHOWN], *more]), refused.exit_code)


def _trouble(failed: list[tuple[Item, Result]]) -> Trouble:
    """Of what a request could not send while it sent the rest."""
    item, result = failed[0]
    passing = all(result["error"] in _PASSING for _, result in failed)
    told = f"{item.place} {result['message']}" + (f"; and {len(failed) - 1} more" if len(failed) > 1 else "")
    return Trouble(told, EX_UNAVAILABLE if passing else EX_DATAERR, passing=passing)
