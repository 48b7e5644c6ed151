"""One owner of a log file: a lock beside it that the kernel drops when its process dies."""

import fcntl
import os
from pathlib import Path

from app.errors import ResourceUnavailable


class OwnerLock:
    """The right to open the log at `path`, held as a lock on `<path>.lock`, which names the owner's process id.

    The lock file stays behind when the lock is given back: removing it could take away a lock somebody just got.
    """

    def __init__(self, path: Path) -> None:
        self._log = path
        self._path = path.with_name(f"{path.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise ResourceUnavailable that names the file and who has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise ResourceUnavailable(
                f"the log file '{self._log}' is in use by another gateway (process {owner}); one process owns it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
