"""`DATABASE_URL`: where what is made of the log is kept.

`sqlite:///data/views.db` (three slashes: relative to the working directory, four: absolute),
`postgresql://[user[:password]@]host[:port]/database[?sslmode=…]`, or `off`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.broker_url import SqliteUrl, parse_broker_url

EXPECTED = "sqlite:///path/to/file, postgresql://[user:password@]host[:port]/database or off"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A database on a PostgreSQL server. What is None is left to libpq; `options` are its parameters, by name."""

    database: str
    host: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


DatabaseUrl = SqliteUrl | PostgresUrl


def parse_database_url(text: str) -> DatabaseUrl | None:
    """None for `off`. Raises ValueError, whose text never repeats the URL: it may carry a password."""
    if text == "off":
        return None
    try:
        url = _postgres(text) if text.startswith(("postgresql://", "postgres://")) else parse_broker_url(text)
    except ValueError:
        url = None
    if isinstance(url, SqliteUrl | PostgresUrl):
        return url
    raise ValueError(f"must be {EXPECTED}")


def _postgres(text: str) -> PostgresUrl:
    parts = urlsplit(text)
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    host, port = _host_and_port(parts)
    database = unquote(parts.path[1:])
    if not database or "/" in database or parts.fragment or (colon and not user):
        raise ValueError
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    return PostgresUrl(database, host, port, unquote(user) or None, unquote(password) or None, options)


def _host_and_port(parts: SplitResult) -> tuple[str | None, int | None]:
    match = _HOST.fullmatch(parts.netloc.rpartition("@")[2])
    if match is None or not 0 < int(match[2] or 5432) < 65536:
        raise ValueError
    return match[1].strip("[]") or None, int(match[2]) if match[2] else None
