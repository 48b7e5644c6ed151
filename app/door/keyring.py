"""Whose request it is, by the key it presents."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from itertools import repeat
from math import inf
from typing import Literal, NamedTuple

from app.deadline import Clock
from app.door.keys import MOST_SECRETS, Key, digest, new_secret, split_key
from app.door.scopes import ALL_SCOPES, NO_SCOPES, Scopes

MASTER = "API_KEY"
"""The name of the key that is a setting; no key of a file can have it."""


class Refused(NamedTuple):
    """Why a request is nobody's, and the id of the key whose secret was right, if one was."""

    reason: Literal["missing", "wrong", "expired"]
    key: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Whose request it is. `name` is that of a valid key, else None; `key` has that key's own limits."""

    name: str | None
    scopes: Scopes
    key: Key | None = None
    refused: Refused | None = None


Identify = Callable[[Collection[str]], Identity]
"""Whose the keys are that a request presents."""

ANYBODY = Identity(None, ALL_SCOPES)
"""Everybody, where no key is needed."""
NOBODY = Identity(None, NO_SCOPES, refused=Refused("missing"))
_WRONG = Identity(None, NO_SCOPES, refused=Refused("wrong"))


class _Entry:
    """A key, ready to be compared."""

    def __init__(self, key: Key) -> None:
        self.valid = Identity(key.id, Scopes(key.scopes), key)
        self.expired = Identity(None, NO_SCOPES, refused=Refused("expired", key.id))
        self.digests = _padded(bytes.fromhex(text) for text in key.sha256)
        self.begins = key.not_before.timestamp() if key.not_before else -inf
        self.ends = key.expires_at.timestamp() if key.expires_at else inf


class Keyring:
    """The keys there are, now. `master` is a key with every scope, any text; `clock` is in seconds since the epoch."""

    def __init__(self, clock: Clock, *, master: str | None = None) -> None:
        self._clock = clock
        self._master = None if master is None else digest(master)
        self._master_identity = Identity(MASTER, ALL_SCOPES)
        self._entries: Mapping[str, _Entry] = {}
        self._dummy = _padded([])

    def __len__(self) -> int:
        """How many named keys there are."""
        return len(self._entries)

    def replace(self, keys: Iterable[Key]) -> None:
        """Know these instead, all at once, in any thread."""
        self._entries = {key.id: _Entry(key) for key in keys}

    def identify(self, presented: Collection[str]) -> Identity:
        """Whose these keys are. None is missing; several that differ are wrong.

        It takes the same time whether an id is unknown or a secret is wrong, and for either of two secrets.
        """
        if not presented:
            return NOBODY
        if len(presented) > 1:
            return _WRONG
        [text] = presented
        if self._master is not None and compare_digest(digest(text), self._master):
            return self._master_identity
        key_id, secret = split_key(text)
        entry = self._entries.get(key_id)
        first, second = entry.digests if entry else self._dummy
        given = digest(secret)
        if not compare_digest(given, first) | compare_digest(given, second) or entry is None:
            return _WRONG
        return entry.valid if entry.begins <= self._clock() < entry.ends else entry.expired


def _padded(digests: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Always two to compare with; nobody knows the secret of what was added."""
    first, second, *_ = [*digests, *(digest(new_secret()) for _ in repeat(None, MOST_SECRETS))]
    return first, second
