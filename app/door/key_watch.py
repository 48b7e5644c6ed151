"""Keeps a keyring at what its file says, while it is edited."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from app.door.key_file import BadKeyFile, read_keys
from app.door.keyring import Keyring
from app.errors import ConfigError
from app.telemetry.logs import get_logger

INTERVAL_SECONDS = 1.0

_log = get_logger(__name__)


class KeyWatch:
    """Looks at the file every `INTERVAL_SECONDS`. If it can't be used, the keys stay, with a warning."""

    def __init__(self, path: Path, keyring: Keyring) -> None:
        self._path = path
        self._keyring = keyring
        self._known: tuple[int, ...] | None = None
        self._complaint = ""
        self._watchers: list[Callable[[int], None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Raises ConfigError for a file that can't be used."""
        try:
            self._read()
        except BadKeyFile as error:
            raise ConfigError(f"API_KEYS_FILE: '{self._path}' can't be used: {error}") from None
        self._task = asyncio.create_task(self._forever(), name="api keys")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Call it, in the event loop, with the number of keys whenever they have changed."""
        self._watchers.append(watcher)

    def look(self) -> bool:
        """Take over what changed, if anything. Warns once of what is wrong, and looks again next time."""
        try:
            changed = self._read()
        except BadKeyFile as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("the API keys stay as they were", file=str(self._path), reason=self._complaint)
            return False
        self._complaint = ""
        if changed:
            _log.info("the API keys are as the file says now", file=str(self._path))
        return changed

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                changed = await asyncio.to_thread(self.look)
            except Exception:  # noqa: BLE001  # whatever became of one look, a key revoked later must be heard of
                _log.exception("the API keys could not be looked at", file=str(self._path))
                continue
            if changed:
                for watcher in self._watchers:
                    watcher(len(self._keyring))

    def _read(self) -> bool:
        """Whether there was anything new. What is written after the look at the file's times is seen next time."""
        stamp = _stamp(self._path)
        if stamp and stamp == self._known:
            return False
        self._keyring.replace(read_keys(self._path))
        self._known = stamp
        return True


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
