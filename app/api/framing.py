"""What aiohttp's parser lets through and RFC 9112 does not, found in a request's head before anything is done with it.

Proxies in front may read such a head in another way than we do; refusing it leaves nothing to disagree about.
"""

import re

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_parser import RawRequestMessage

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(:[0-9]{0,5})?")
_TARGET = re.compile(r"(/|\*$|https?://)[^#]*", re.IGNORECASE)
_VERSIONS = (HttpVersion11, HttpVersion10)


def fault_of(message: RawRequestMessage) -> str | None:
    """Why the head must be refused, in a sentence; None for a good one.

    RFC 9112: 2.3 (version), 3.2 (target, Host: an invalid one MUST be refused), 6.1 (Transfer-Encoding: the only coding
    we undo is chunked). CONNECT asks for a tunnel: what follows it need not be HTTP.
    """
    headers = message.headers
    if message.version not in _VERSIONS:
        return "the version must be HTTP/1.1 or HTTP/1.0"
    if message.method == hdrs.METH_CONNECT:
        return "CONNECT is for proxies, and this is none"
    if not _TARGET.fullmatch(message.path):
        return "the request target must be a path, or an http URL, without a fragment"
    if not _HOST.fullmatch(headers.get(hdrs.HOST, "")):
        return "Host must be a name or an address, and perhaps a port"
    if (coding := headers.get(hdrs.TRANSFER_ENCODING)) is not None and coding.strip().lower() != "chunked":
        return "Transfer-Encoding must be chunked, and nothing else"
    return None
