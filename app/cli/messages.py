"""What `send` and `poll` share: which topic, patience with a gateway that is away, and an end by Ctrl-C."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import click

from app.cli.client import Trouble, fail

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


def _parts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return ("messages",)
    stream, dot, name = value.partition(".")
    if not (stream and dot and name):
        raise click.BadParameter(f"{value!r} must be stream.topic")
    return ("streams", stream, "topics", name, "messages")


topic = click.option(
    "--topic",
    "path",
    metavar="STREAM.TOPIC",
    callback=_parts,
    help="By default the gateway's default topic; -.NAME is a topic without a stream.",
)


async def patiently(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What `work` answers; it is done again after trouble that passes, for so long. Raises Trouble."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await work()
        except Trouble as trouble:
            wait = max(pause, trouble.wait)
            if not trouble.passing or loop.time() + wait > until:
                raise
        await asyncio.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Ends the command with the exit code of its trouble."""
    try:
        asyncio.run(work)
    except Trouble as trouble:
        fail(trouble.exit_code, str(trouble))
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
