"""Answers over a kilobyte are compressed for clients that ask: fast levels, and off the event loop when large."""

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import hdrs

from app.api import zstd
from app.api.answer import Answer
from app.api.request import Request

SMALL = 1024
"""Bytes of an answer up to which it goes as it is."""

_LARGE = 64 * 1024
_LEVEL = 1


def _gzip(data: bytes) -> bytes:
    return zlib.compress(data, _LEVEL, wbits=31)


def _deflate(data: bytes) -> bytes:
    return zlib.compress(data, _LEVEL)


def _zstd(data: bytes) -> bytes:
    return zstd.compress(data, _LEVEL)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {"zstd": _zstd, "gzip": _gzip, "deflate": _deflate}
"""In our order of preference."""


async def compress(request: Request, answer: Answer) -> None:
    """Before it is written, if the client takes it so."""
    answer.headers["Vary"] = "Accept-Encoding"
    chosen = negotiate(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    if chosen is not None:
        encode = ENCODERS[chosen]
        body = answer.body
        answer.body = await asyncio.to_thread(encode, body) if len(body) > _LARGE else encode(body)
        answer.headers["Content-Encoding"] = chosen


def negotiate(accept: str) -> str | None:
    """The encoding to use by RFC 9110, 12.5.3: the client's highest q, ours among equals; None for plain."""
    qualities: dict[str, float] = {}
    for part in accept.split(","):
        name, _, parameter = part.strip().partition(";")
        qualities[name.strip().lower()] = _quality(parameter)
    wildcard = qualities.get("*", 0.0)
    best = max(ENCODERS, key=lambda name: qualities.get(name, wildcard))
    return best if qualities.get(best, wildcard) > 0 else None


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
