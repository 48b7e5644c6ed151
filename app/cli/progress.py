"""How far a long input is sent, on a terminal; elsewhere nothing is shown."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from stat import S_ISREG
from typing import IO, Any, Protocol

import click


class Progress(Protocol):
    """Told after each request how many events are sent."""

    def __call__(self, sent: int, /) -> None: ...


@contextmanager
def progress(files: Sequence[IO[bytes]]) -> Iterator[Progress]:
    """By the bytes that are read of the files; of what is no file the end is not known."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    sizes = [_size(file) for file in files]
    known = None if None in sizes else sum(size or 0 for size in sizes)
    options: dict[str, Any] = {"length": known} if known else {"iterable": repeat(None)}
    bar: Any
    with click.progressbar(
        **options, label="sending", file=sys.stderr, item_show_func=lambda sent: f"{sent or 0:,} sent"
    ) as bar:
        read = 0

        def moved(sent: int) -> None:
            nonlocal read
            now = sum(file.tell() for file in files) if known else sent
            bar.update(now - read, sent)
            read = now

        yield moved


def _size(file: IO[bytes]) -> int | None:
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None
