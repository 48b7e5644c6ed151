"""A whole answer, and what it is on the wire (RFC 9112, 4 to 6). What goes on and on is aiohttp's `StreamResponse`."""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import hdrs, web

from app.api.headers import UNKEPT

JSON = "application/json"

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
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
        lines = f"HTTP/{version[0]}.{version[1]} {status} {_PHRASES[status]}\r\n"
        if body:
            lines += f"Content-Type: {self.content_type}\r\n"
        if self.headers:
            lines += _checked(self.headers)
        if hdrs.CACHE_CONTROL not in self.headers:
            lines += f"Cache-Control: {UNKEPT}\r\n"
        if status not in _BODILESS:
            lines += f"Content-Length: {len(body)}\r\n"
        if not self.keep_alive:
            lines += "Connection: close\r\n"
        elif version < (1, 1):
            lines += "Connection: keep-alive\r\n"
        head = f"{lines}Date: {_date(int(time.time()))}\r\n{common}\r\n".encode()
        data = head if head_only or status in _BODILESS else head + body
        self.size = len(data)
        return data


Response = Answer | web.StreamResponse
"""What handlers answer with: all of it, or what they have begun."""


def _checked(headers: dict[str, str]) -> str:
    for value in headers.values():
        if _FORBIDDEN.search(value):
            raise ValueError("a header's value holds a control character")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
