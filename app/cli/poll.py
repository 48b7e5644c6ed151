"""`sluice poll`: a topic's messages, a line of JSON each, to its end or as they come."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import click
import msgspec

from app.cli.client import Client, Conversation, Trouble, speaks_to_gateway
from app.cli.messages import patience, patiently, run, topic
from app.cli.printed import MOST, Enough, Printed
from app.exits import EX_NOINPUT

_PAGE = 10_000
_WAIT_MS = 20_000


class _Page(msgspec.Struct):
    """A poll's answer."""

    messages: list[msgspec.Raw]
    next_offset: int
    high_watermark: int


_page = msgspec.json.Decoder(_Page).decode


@click.command()
@topic
@click.option("--partition", "partitions", type=click.IntRange(0), multiple=True, help="Only this one; repeatable.")
@click.option("--offset", metavar="N|earliest|latest", help="Where to begin. [earliest, or where the consumer is]")
@click.option("--count", "most", type=click.IntRange(1), help="End after so many messages.")
@click.option("--follow", "-f", is_flag=True, help="Wait for more, until Ctrl-C.")
@click.option("--consumer-id", help="Begin where this consumer is.")
@click.option("--commit", is_flag=True, help="Let the consumer go on behind what is printed.")
@click.option("--events", is_flag=True, help="Print the events alone, as `sluice send` takes them.")
@patience
@speaks_to_gateway
def poll(client: Client, path: tuple[str, ...], **options: Any) -> None:
    """Print a topic's messages, a line of JSON each with its partition_id.

    A message that is no event is left out with --events.
    """
    if options["commit"] and options["consumer_id"] is None:
        raise click.UsageError("--commit needs a --consumer-id")
    if options["commit"] and options["follow"] and options["most"] and len(options["partitions"]) != 1:
        raise click.UsageError("--follow, --commit and --count together need one --partition")
    start = _start(options.pop("offset"), consumer=options["consumer_id"] is not None)
    run(_Polling(client, path, _Wanted(start, **options)).all())


def _start(text: str | None, *, consumer: bool) -> int | None:
    """An offset, which the gateway brings to where there is something; None: where the consumer is."""
    if text is None:
        return None if consumer else 0
    if text in ("earliest", "latest"):
        return 0 if text == "earliest" else MOST
    if not (text.isascii() and text.isdigit()) or int(text) > MOST:
        raise click.BadParameter(f"{text!r} must be a number, earliest or latest", param_hint="--offset")
    return int(text)


@dataclass(frozen=True)
class _Wanted:
    """What was asked for, by the options' names."""

    start: int | None
    partitions: Sequence[int]
    most: int | None
    follow: bool
    consumer_id: str | None
    commit: bool
    events: bool
    patience: float

    @property
    def consumer(self) -> dict[str, str]:
        """A poll's parameters about the consumer."""
        if self.consumer_id is None:
            return {}
        return {"consumer_id": self.consumer_id, "auto_commit": str(self.commit).lower()}


class _Polling:
    """One run of the command."""

    def __init__(self, client: Client, path: tuple[str, ...], wanted: _Wanted) -> None:
        self._client = client
        self._path = path
        self._wanted = wanted
        self._printed = Printed(wanted.most, events=wanted.events)

    async def all(self) -> None:
        try:
            async with self._client.open() as gateway:
                if self._wanted.follow:
                    numbers = self._wanted.partitions or await self._there(gateway)
                    await asyncio.gather(*(self._read(gateway, number) for number in numbers))
                else:
                    await self._read_each(gateway)
        except Enough:
            pass
        finally:
            self._printed.end()

    async def _read_each(self, gateway: Conversation) -> None:
        """One partition after the other, to the last one that there is."""
        for number in self._wanted.partitions or count():
            try:
                await self._read(gateway, number)
            except Trouble as trouble:
                if self._wanted.partitions or number == 0 or trouble.exit_code != EX_NOINPUT:
                    raise
                return

    async def _there(self, gateway: Conversation) -> list[int]:
        """The topic's partitions."""
        for number in count():
            try:
                await self._page(gateway, {"partition_id": str(number), "offset": str(MOST)})
            except Trouble as trouble:
                if number == 0 or trouble.exit_code != EX_NOINPUT:
                    raise
                return list(range(number))
        raise AssertionError("there is no end of numbers")

    async def _read(self, gateway: Conversation, number: int) -> None:
        """A partition to the end that it had at first, or for ever."""
        offset, end = self._wanted.start, None
        while end is None or offset is None or offset < end or self._wanted.follow:
            query = {"partition_id": str(number), "count": str(min(self._printed.left, _PAGE))} | self._wanted.consumer
            if offset is not None:
                query["offset"] = str(offset)
            if self._wanted.follow:
                query["wait_ms"] = str(_WAIT_MS)
            page = await self._page(gateway, query)
            self._printed.show([b'{"partition_id":%d,%b' % (number, bytes(raw)[1:]) for raw in page.messages])
            offset = page.next_offset
            end = page.high_watermark if end is None else end

    async def _page(self, gateway: Conversation, query: dict[str, str]) -> _Page:
        return _page(await patiently(lambda: gateway.ask("GET", *self._path, query=query), self._wanted.patience))
