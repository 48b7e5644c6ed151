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
        self._lock = Lock()

    def info(self, line: bytes) -> None:
        with self._lock:
            self._waiting.append(line)
            first = len(self._waiting) == 1
        if first:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:
                self.flush()

    def warning(self, line: bytes) -> None:
        with self._lock:
            self._waiting.append(line)
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._file.write(b"".join([line + b"\n" for line in waiting]))
            self._file.flush()
