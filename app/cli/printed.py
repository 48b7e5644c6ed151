"""Messages as `poll` and `tail` print them: a line of JSON each."""

from collections.abc import Sequence

import click
import msgspec

MOST = 2**62


class Enough(Exception):
    """As many messages are printed as were asked for."""


class _Message(msgspec.Struct):
    """A message, as far as it is looked at."""

    event: msgspec.Raw


_message = msgspec.json.Decoder(_Message).decode


class Printed:
    """What is printed, at most so many messages; with `events` the events alone, and no message that is none."""

    def __init__(self, most: int | None, *, events: bool) -> None:
        self.left = MOST if most is None else most
        self._events = events
        self._no_events = 0

    def show(self, messages: Sequence[bytes]) -> None:
        """Print them, and raise Enough when these were all."""
        lines = [line for message in messages[: self.left] if (line := self._line(message)) is not None]
        if lines:
            click.echo(b"\n".join(lines))
        self.left -= len(messages)
        if self.left <= 0:
            raise Enough

    def end(self) -> None:
        """Say what was not printed."""
        if self._no_events:
            click.echo(f"sluice: {self._no_events:,} messages are no events: left out", err=True)

    def _line(self, message: bytes) -> bytes | None:
        if self._events:
            message = bytes(_message(message).event)
            if message == b"null":
                self._no_events += 1
                return None
        # What others wrote may go over several lines; within its strings JSON has no line ends.
        return message.replace(b"\n", b" ").replace(b"\r", b" ")
