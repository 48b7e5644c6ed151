"""A whole answer, and what it is on the wire (RFC 9112, 4 to 6). What goes on and on is aiohttp's `StreamResponse`."""

import re
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from aiohttp import hdrs, web
from msgspec import Struct, field

from app.api.headers import UNKEPT

JSON = "application/json"

_BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})
_UNKEPT = f"Cache-Control: {UNKEPT}\r\n"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Answer(Struct, eq=False, gc=False):
    """`headers` are its own, beside those of every answer. `error` is the code of the error that it tells of.

    Once it is written, `size` is how many bytes it took, and `keep_alive` whether another may follow it.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    keep_alive: bool = True
    error: str | None = None
    size: int = 0

    def on_wire(self, common: str, *, version: tuple[int, int], head_only: bool) -> bytes:
        """Its bytes, for a request of this HTTP version; `common` are the lines of every answer."""
        body, status = self.body, self.status
        start = _start(version, status, self.content_type if body else None, self.keep_alive)
        if status in _BODILESS:
            length, head_only = "", True
        else:
            length = f"Content-Length: {len(body)}\r\n"
        own = _own(self.headers) if self.headers else _UNKEPT
        head = f"{start}{length}{own}{_date(int(time()))}{common}\r\n".encode()
        data = head if head_only else head + body
        self.size = len(data)
        return data


Response = Answer | web.StreamResponse
"""What handlers answer with: all of it, or what they have begun."""


def _own(headers: dict[str, str]) -> str:
    for value in headers.values():
        if _FORBIDDEN.search(value):
            raise ValueError("a header's value holds a control character")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return lines if hdrs.CACHE_CONTROL in headers else lines + _UNKEPT


@lru_cache(maxsize=256)
def _start(version: tuple[int, int], status: int, content_type: str | None, keep_alive: bool) -> str:  # noqa: FBT001
    """What most answers have in common, kept whole."""
    lines = f"HTTP/{version[0]}.{version[1]} {status} {HTTPStatus(status).phrase}\r\n"
    if content_type is not None and status not in _BODILESS:
        lines += f"Content-Type: {content_type}\r\n"
    if not keep_alive:
        return lines + "Connection: close\r\n"
    return lines if version >= (1, 1) else lines + "Connection: keep-alive\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
