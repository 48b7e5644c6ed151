"""API keys: `gw_<id>_<secret>`, of which only the SHA-256 of the secret is kept.

A secret has 256 random bits, so a fast hash is enough: there is nothing to guess, and nothing slow to be abused.
"""

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.door.scopes import Scopes

MOST_SECRETS = 2
"""Live secrets of one key: the new one, and the old one until all its users have changed over."""

KeyId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}\Z")]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Moment = Annotated[datetime, Meta(tz=True)]
Limit = Annotated[float, Meta(ge=0)]


class Key(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One named key as it is written down, its secrets as hashes, newest first.

    It is valid from `not_before` on, and no longer from `expires_at` on. The limits are its own, instead of the
    general ones: requests a second and how many at once; events and bytes a second are not enforced yet. 0: none.
    """

    id: KeyId
    sha256: Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=MOST_SECRETS)]
    scopes: tuple[str, ...]
    not_before: Moment | None = None
    expires_at: Moment | None = None
    rate_limit_rps: Limit | None = None
    rate_limit_burst: Limit | None = None
    events_per_second: Limit | None = None
    bytes_per_second: Limit | None = None

    def state(self, now: datetime) -> Literal["valid", "expired", "not yet"]:
        """Whether it opens anything at this moment."""
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "not yet" if self.not_before is not None and now < self.not_before else "valid"

    def __post_init__(self) -> None:
        """Raises ValueError for a scope that is none."""
        Scopes(self.scopes)


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """SHA-256 of what a client sent, whatever bytes it was."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def key_text(key_id: str, secret: str) -> str:
    """What a client presents."""
    return f"gw_{key_id}_{secret}"


def split_key(text: str) -> tuple[str, str]:
    """Id and secret of what a client presents; both empty for what is no key."""
    kind, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if kind == "gw" and secret else ("", "")
