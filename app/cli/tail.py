"""`sluice tail`: what comes onto a topic, as it comes."""

import json
from contextlib import aclosing
from typing import Any

import click
import msgspec

from app.cli.client import Client, Conversation, Trouble, speaks_to_gateway
from app.cli.event_stream import EventStream
from app.cli.messages import Patience, path_of, patience, run
from app.cli.printed import Enough, Printed
from app.exits import EX_UNAVAILABLE

_PARAMETERS = {"begin": "from", "partition": "partition_id"}
"""Options that are called otherwise in the query."""


class _Place(msgspec.Struct):
    """Where a message stands; an error stands nowhere."""

    partition_id: int | None = None
    offset: int | None = None


_place = msgspec.json.Decoder(_Place).decode


@click.command()
@click.option("--topic", metavar="STREAM.TOPIC", required=True)
@click.option(
    "--from",
    "begin",
    metavar="latest|earliest|TIME",
    help="Where to begin. [latest; for a consumer earliest, unless it was somewhere]",
)
@click.option("--partition", type=click.IntRange(0), help="Only this one.")
@click.option("--event-type", help="Only events of this type.")
@click.option(
    "--consumer-id", help="Share the partitions with all who listen for this consumer, and go on where it was."
)
@click.option("--count", "most", type=click.IntRange(1), help="End after so many messages.")
@click.option("--events", is_flag=True, help="Print the events alone, as `sluice send` takes them.")
@patience
@speaks_to_gateway
def tail(client: Client, topic: str, *, most: int | None, events: bool, patience: float, **asked: Any) -> None:
    """Print a topic's messages as they come, a line of JSON each, until Ctrl-C.

    When the connection breaks it goes on behind the last message that was printed: none is left out, none comes twice.
    For a consumer it goes on where that was: none is left out, the last ones may come again.
    """
    query = {_PARAMETERS.get(name, name): str(value) for name, value in asked.items() if value is not None}
    printed = Printed(most, events=events)
    run(_Tailing(client, (*path_of(topic), "tail"), query, printed, Patience(patience)).all())


class _Tailing:
    """One run of the command."""

    def __init__(
        self, client: Client, path: tuple[str, ...], query: dict[str, str], printed: Printed, patience: Patience
    ) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._printed = printed
        self._patience = patience
        self._stream = EventStream()

    async def all(self) -> None:
        listen = self._acknowledge if "consumer_id" in self._query else self._listen
        try:
            async with self._client.open() as gateway:
                while True:
                    try:
                        await listen(gateway)
                        ended = Trouble(f"the gateway at {gateway.url} ended the feed", EX_UNAVAILABLE, passing=True)
                    except Trouble as trouble:
                        ended = trouble
                    await self._patience.after(ended)
        except Enough:
            pass
        finally:
            self._printed.end()

    async def _listen(self, gateway: Conversation) -> None:
        """One connection, as server-sent events, from behind the last one on. Raises Trouble."""
        self._stream.begin()
        async with aclosing(gateway.listen(*self._path, query=self._query, last_id=self._stream.last_id)) as feed:
            async for data in feed:
                self._patience.renew()
                told = list(self._stream.feed(data))
                self._printed.show([message for kind, message in told if kind == "message"])
                for kind, reason in told:
                    if kind == "error":
                        _going_on(reason)

    async def _acknowledge(self, gateway: Conversation) -> None:
        """One connection, as a WebSocket: what is printed is acknowledged, and nothing else. Raises Trouble."""
        async with gateway.socket(*self._path, query=self._query) as socket:
            async for frame in socket:
                self._patience.renew()
                message = str(frame.data).encode()
                place = _place(message)
                if place.offset is None:
                    _going_on(message)
                    continue
                acknowledgement = {"ack": {"partition_id": place.partition_id, "offset": place.offset}}
                try:
                    self._printed.show([message])
                except Enough:
                    await socket.send_json(acknowledgement)
                    raise
                await socket.send_json(acknowledgement)


def _going_on(error: bytes) -> None:
    click.echo(f"sluice: {json.loads(error)['message']}: going on", err=True)
