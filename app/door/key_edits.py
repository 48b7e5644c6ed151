"""What is done to keys by hand: each edit takes the keys there are and gives those there are to be."""

from collections.abc import Callable, Sequence

import msgspec

from app.door.keys import MOST_SECRETS, Key, digest

Edit = Callable[[list[Key]], list[Key]]


class RefusedEdit(Exception):
    """One line that says why."""


class NoSuchKey(RefusedEdit):
    pass


def added(key: Key) -> Edit:
    """A new key. Raises RefusedEdit for an id that is taken."""

    def edit(keys: list[Key]) -> list[Key]:
        if any(other.id == key.id for other in keys):
            raise RefusedEdit(f"there is a key {key.id!r} already")
        return [*keys, key]

    return edit


def revoked(key_id: str) -> Edit:
    """Without this key. Raises NoSuchKey."""

    def edit(keys: list[Key]) -> list[Key]:
        _find(keys, key_id)
        return [key for key in keys if key.id != key_id]

    return edit


def rotated(key_id: str, secret: str) -> Edit:
    """A new secret beside the newest of the old ones. Raises NoSuchKey."""
    return _with_secrets(key_id, lambda old: (digest(secret).hex(), *old)[:MOST_SECRETS])


def rotation_ended(key_id: str) -> Edit:
    """The newest secret alone. Raises NoSuchKey."""
    return _with_secrets(key_id, lambda old: old[:1])


def _with_secrets(key_id: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Edit:
    def edit(keys: list[Key]) -> list[Key]:
        key = _find(keys, key_id)
        changed = msgspec.structs.replace(key, sha256=change(key.sha256))
        return [changed if other is key else other for other in keys]

    return edit


def _find(keys: Sequence[Key], key_id: str) -> Key:
    for key in keys:
        if key.id == key_id:
            return key
    raise NoSuchKey(f"there is no key {key_id!r}")
