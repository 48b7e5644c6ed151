"""Log lines on their way out: those of one round of the event loop are written together, at its end."""

import asyncio
from threading import Lock
from typing import BinaryIO


class Lines:
    """What structlog writes to, from any thread. Each write is a system call and costs as much as making the line.

    Warnings and worse are written at once, with all that waits; so is whatever is logged outside of an event loop.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[bytes] = []
        self._due = False
        self._writing = Lock()

    def info(self, line: bytes) -> None:
        self._waiting.append(line)
        if not self._due:
            self._due = True
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:
                self.flush()

    def warning(self, line: bytes) -> None:
        self._waiting.append(line)
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        """Write what waits. Nothing is due before it is taken: whoever adds a line later sees to it."""
        with self._writing:
            self._due = False
            taken = self._waiting[:]
            del self._waiting[: len(taken)]
            self._file.write(b"\n".join([*taken, b""]))
            self._file.flush()
