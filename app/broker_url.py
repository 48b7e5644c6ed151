"""`BROKER_URL`: which log the gateway stands on.

`sqlite:///data/log.db` (three slashes: relative to the working directory, four: absolute), `memory://`,
`kafka://[user:password@]host:port[,host:port…]`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

EXPECTED = "sqlite:///path/to/file, memory:// or kafka://[user:password@]host:port[,host:port]"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class MemoryUrl:
    """A log that ends with the process."""


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    """A log in one file."""

    path: Path


@dataclass(frozen=True, slots=True)
class KafkaUrl:
    """A cluster, by the brokers to ask first, and the user to be there, if any."""

    servers: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)


BrokerUrl = MemoryUrl | SqliteUrl | KafkaUrl


def parse_broker_url(text: str) -> BrokerUrl:
    """Raises ValueError, whose text never repeats the URL: it may carry a password."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "memory" and not rest:
        return MemoryUrl()
    if separator and scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 and not rest.endswith("/"):
        return SqliteUrl(Path(rest[1:]))
    if separator and scheme == "kafka":
        return _kafka(rest.rstrip("/"))
    raise ValueError(f"must be {EXPECTED}")


def _kafka(rest: str) -> KafkaUrl:
    userinfo, at, hosts = rest.rpartition("@")
    servers = tuple(hosts.split(","))
    for server in servers:
        match = _HOST.fullmatch(server)
        if not match or not 0 < int(match[2]) < 65536:
            raise ValueError(f"must be {EXPECTED}; one of its hosts is not host:port")
    if not at:
        return KafkaUrl(servers)
    user, colon, password = userinfo.partition(":")
    if not (user and colon and password):
        raise ValueError(f"must be {EXPECTED}; before the @ it needs user:password")
    return KafkaUrl(servers, unquote(user), unquote(password))
