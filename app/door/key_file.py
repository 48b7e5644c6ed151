"""The file with the named keys: JSON, `{"keys": [...]}`, no secrets in it but their hashes."""

import fcntl
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.door.keys import Key


class BadKeyFile(Exception):
    """A file that can't be used as it is: one line that says why."""


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[Key]


def read_keys(path: Path) -> list[Key]:
    """Every key of the file, each id once. Raises BadKeyFile."""
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=_Content).keys
    except OSError as error:
        raise BadKeyFile(f"it can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadKeyFile(f"it is not a file of keys: {error}") from None
    if twice := [key_id for key_id, times in Counter(key.id for key in keys).items() if times > 1]:
        raise BadKeyFile(f"it is not a file of keys: {twice[0]!r} is there twice")
    return keys


def edit_keys(path: Path, change: Callable[[list[Key]], list[Key]]) -> None:
    """Put changed keys in the file's place, all at once; a missing file has none. One editor at a time.

    Only its owner can read the new file. Raises BadKeyFile, OSError and what `change` does; then nothing has changed.
    """
    path = path.resolve()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        keys = change(read_keys(path) if path.exists() else [])
        _replace(path, msgspec.json.format(msgspec.json.encode(_Content(keys)), indent=2) + b"\n")
        os.fsync(directory)
    finally:
        os.close(directory)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
