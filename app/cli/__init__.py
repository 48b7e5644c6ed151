"""The `sluice` command: `serve` runs a gateway, `keys` edits its keys, everything else speaks to one that runs."""

import click

from app import __version__
from app.cli.consumers import consumers
from app.cli.keys import keys
from app.cli.offsets import offsets
from app.cli.poll import poll
from app.cli.send import send
from app.cli.serve import serve
from app.cli.streams import streams
from app.cli.tail import tail
from app.cli.topics import topics


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluice")
def cli() -> None:
    """A gateway between HTTP and an event log.

    Exit codes: 0 done; 2 wrong usage; 65 the gateway refuses the request; 66 there is no such thing; 69 the gateway or
    its broker can't be reached; 70 it failed; 75 too many requests, try later; 77 the key is missing, wrong or not
    allowed to; 78 a setting or the file of keys is wrong.
    """


for command in (serve, send, poll, tail, streams, topics, offsets, consumers, keys):
    cli.add_command(command)


def main() -> None:
    """The `sluice` command."""
    cli(prog_name="sluice")
