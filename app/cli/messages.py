"""What `send`, `poll` and `tail` share: which topic, patience with a gateway that is away, and an end by Ctrl-C."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import random
from typing import Any, TypeVar

import click

from app.cli.client import Trouble, fail
from app.resilience.backoff import Backoff

T = TypeVar("T")
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_INTERRUPTED = 130

patience = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to try again while the gateway or its broker is away or busy.",
)


def path_of(topic: str) -> tuple[str, ...]:
    """The topic's, in parts."""
    stream, dot, name = topic.partition(".")
    if not (stream and dot and name):
        raise click.BadParameter(f"{topic!r} must be stream.topic", param_hint="--topic")
    return ("streams", stream, "topics", name)


topic = click.option(
    "--topic",
    "path",
    metavar="STREAM.TOPIC",
    callback=lambda _context, _parameter, value: (*(path_of(value) if value else ()), "messages"),
    help="By default the gateway's default topic; -.NAME is a topic without a stream.",
)


class Patience:
    """With trouble that passes, for so many seconds since something last went well."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, random=random)
        self._attempts = 0
        self._since: float | None = None

    def renew(self) -> None:
        """All is well."""
        self._attempts, self._since = 0, None

    async def after(self, trouble: Trouble) -> None:
        """Wait, longer each time, until it is worth another try. Raises the trouble, if it lasts."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        self._attempts += 1
        wait = max(self._backoff.after(self._attempts), trouble.wait)
        if not trouble.passing or now + wait > self._since + self._seconds:
            raise trouble
        await asyncio.sleep(wait)


async def patiently(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What `work` answers; it is done again after trouble that passes, for so long. Raises Trouble."""
    left = Patience(seconds)
    while True:
        try:
            return await work()
        except Trouble as trouble:
            await left.after(trouble)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Ends the command with the exit code of its trouble."""
    try:
        asyncio.run(work)
    except Trouble as trouble:
        fail(trouble.exit_code, str(trouble))
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
