"""`sluice tail`: what comes onto a topic, as it comes."""

import json
from contextlib import aclosing
from typing import Any

import click

from app.cli.client import Client, Conversation, Trouble, speaks_to_gateway
from app.cli.event_stream import EventStream
from app.cli.messages import Patience, path_of, patience, run
from app.cli.printed import Enough, Printed
from app.exits import EX_UNAVAILABLE


@click.command()
@click.option("--topic", metavar="STREAM.TOPIC", required=True)
@click.option("--from", "begin", metavar="latest|earliest|TIME", default="latest", show_default=True)
@click.option("--partition", type=click.IntRange(0), help="Only this one.")
@click.option("--event-type", help="Only events of this type.")
@click.option("--count", "most", type=click.IntRange(1), help="End after so many messages.")
@click.option("--events", is_flag=True, help="Print the events alone, as `sluice send` takes them.")
@patience
@speaks_to_gateway
def tail(client: Client, topic: str, begin: str, partition: int | None, event_type: str | None, **options: Any) -> None:
    """Print a topic's messages as they come, a line of JSON each, until Ctrl-C.

    When the connection breaks it goes on behind the last message that was printed: none is left out, none comes twice.
    """
    asked = {"from": begin, "partition_id": partition, "event_type": event_type}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    run(_Tailing(client, (*path_of(topic), "tail"), query, **options).all())


class _Tailing:
    """One run of the command."""

    def __init__(
        self,
        client: Client,
        path: tuple[str, ...],
        query: dict[str, str],
        *,
        most: int | None,
        events: bool,
        patience: float,
    ) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._printed = Printed(most, events=events)
        self._patience = Patience(patience)
        self._stream = EventStream()

    async def all(self) -> None:
        try:
            async with self._client.open() as gateway:
                while True:
                    await self._listen(gateway)
        except Enough:
            pass
        finally:
            self._printed.end()

    async def _listen(self, gateway: Conversation) -> None:
        """One connection, to its end, and the pause after it. Raises Trouble that lasts."""
        self._stream.begin()
        try:
            feed = gateway.listen(*self._path, query=self._query, last_id=self._stream.last_id)
            async with aclosing(feed):
                async for data in feed:
                    self._patience.renew()
                    self._tell(data)
            ended = Trouble(f"the gateway at {gateway.url} ended the feed", EX_UNAVAILABLE, passing=True)
        except Trouble as trouble:
            ended = trouble
        await self._patience.after(ended)

    def _tell(self, data: bytes) -> None:
        told = list(self._stream.feed(data))
        self._printed.show([message for kind, message in told if kind == "message"])
        for kind, reason in told:
            if kind == "error":
                click.echo(f"sluice: {json.loads(reason)['message']}: going on", err=True)
