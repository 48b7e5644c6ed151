"""A whole answer, and what it is on the wire (RFC 9112, 4 to 6). What goes on and on is aiohttp's `StreamResponse`."""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import hdrs, web

from app.api.headers import UNKEPT

JSON = "application/json"

_BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})
_GOES_ON, _ENDS = "Connection: keep-alive\r\n", "Connection: close\r\n"
_EMPTY = "Content-Length: 0\r\n"
_UNKEPT = f"Cache-Control: {UNKEPT}\r\n"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Answer:
    """`headers` are its own, beside those of every answer. `error` is the code of the error that it tells of.

    Once it is written, `size` is how many bytes it took, and `keep_alive` whether another may follow it.
    """

    __slots__ = ("body", "content_type", "error", "headers", "keep_alive", "size", "status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        content_type: str = JSON,
        headers: dict[str, str] | None = None,
        keep_alive: bool = True,
    ) -> None:
        self.status = int(status)  # an enum's member would cost more wherever it is told
        self.body = body
        self.content_type = content_type
        self.headers = {} if headers is None else headers
        self.error: str | None = None
        self.keep_alive = keep_alive
        self.size = 0

    def on_wire(self, common: str, *, version: tuple[int, int], head_only: bool) -> bytes:
        """Its bytes, for a request of this HTTP version; `common` are the lines of every answer."""
        body, status = self.body, self.status
        if status in _BODILESS:
            about, head_only = "", True
        else:
            about = f"Content-Type: {self.content_type}\r\nContent-Length: {len(body)}\r\n" if body else _EMPTY
        own = _checked(self.headers) if self.headers else ""
        kept = "" if hdrs.CACHE_CONTROL in self.headers else _UNKEPT
        after = _ENDS if not self.keep_alive else _GOES_ON if version < (1, 1) else ""
        date = _date(int(time.time()))
        head = f"{_first(version, status)}{about}{own}{kept}{after}{date}{common}\r\n".encode()
        data = head if head_only else head + body
        self.size = len(data)
        return data


Response = Answer | web.StreamResponse
"""What handlers answer with: all of it, or what they have begun."""


def _checked(headers: dict[str, str]) -> str:
    for value in headers.values():
        if _FORBIDDEN.search(value):
            raise ValueError("a header's value holds a control character")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@lru_cache(maxsize=256)
def _first(version: tuple[int, int], status: int) -> str:
    return f"HTTP/{version[0]}.{version[1]} {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
