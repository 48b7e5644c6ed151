"""What aiohttp's parser lets through and RFC 9112 does not, found in a request's head before anything is done with it.

Proxies in front may read such a head in another way than we do; refusing it leaves nothing to disagree about.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_parser import RawRequestMessage

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(:[0-9]{0,5})?")
_TARGET = re.compile(r"(/|\*$|https?://)[^#]*", re.IGNORECASE)
_VERSIONS = (HttpVersion11, HttpVersion10)


def fault_of(message: RawRequestMessage) -> str | None:
    """Why the head must be refused, in a sentence; None for a good one."""
    path = message.path
    usual = path[:1] == "/" and "#" not in path and message.version in _VERSIONS and message.method != hdrs.METH_CONNECT
    return (None if usual else _of_line(message)) or _of_headers(message.headers)


def size_of(message: RawRequestMessage) -> int:
    """The bytes of the head, without what separates them."""
    return len(message.path) + sum(len(name) + len(value) for name, value in message.raw_headers)


def _of_line(message: RawRequestMessage) -> str | None:
    """RFC 9112, 2.3 and 3.2. CONNECT asks for a tunnel: what follows it need not be HTTP."""
    if message.version not in _VERSIONS:
        return "the version must be HTTP/1.1 or HTTP/1.0"
    if message.method == hdrs.METH_CONNECT:
        return "CONNECT is for proxies, and this is none"
    if not _TARGET.fullmatch(message.path):
        return "the request target must be a path, or an http URL, without a fragment"
    return None


@lru_cache(maxsize=1024)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


def _of_headers(headers: Mapping[str, str]) -> str | None:
    """RFC 9112, 3.2 (an invalid Host MUST be refused) and 6.1 (chunked is all we undo); RFC 9110, 10.1.1 (Expect)."""
    if not _is_host(headers.get(hdrs.HOST, "")):
        return "Host must be a name or an address, and perhaps a port"
    if (coding := headers.get(hdrs.TRANSFER_ENCODING)) is not None and coding.strip().lower() != "chunked":
        return "Transfer-Encoding must be chunked, and nothing else"
    if (expected := headers.get(hdrs.EXPECT)) is not None and expected.lower() != "100-continue":
        return "Expect must be 100-continue"
    return None
