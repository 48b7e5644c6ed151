"""Reading a request's body: its type, its size before and after decompression, its encoding, in time."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from app.api.answer import JSON
from app.api.request import Request
from app.api.zstd import ZstdDecompressor, ZstdError
from app.errors import BadRequest, DeadlineExceeded, PayloadTooLarge, RequestTooSlow, UnsupportedMediaType
from app.resilience.budget import Lease

NDJSON = "application/x-ndjson"
ENCODINGS = "gzip, deflate, zstd"
_LARGE = 256 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body(Struct, frozen=True, gc=False):
    content_type: str
    data: bytes


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


async def read_body(request: Request, *, most: int, ndjson: bool = False) -> Body:
    """The body as sent, decompressed. The request's lease grows with it.

    Raises UnsupportedMediaType, PayloadTooLarge (before reading, where the length is declared), BadRequest (corrupt),
    RequestTooSlow, Overloaded, ShuttingDown.
    """
    content_type = _content_type(request, ndjson=ndjson)
    decompressor = _decompressor(request)
    lease = request.call.lease
    length = request.headers.get(hdrs.CONTENT_LENGTH)
    declared = None if length is None else int(length)
    if declared is not None:
        if declared > most:
            raise _too_large(most)
        lease.grow_to(declared)
    try:
        data = _at_hand(request)
        if data is None:
            data = await _arriving(request, most, lease)
    except (web.RequestPayloadError, HttpProcessingError):
        raise BadRequest("the body's framing is broken") from None
    if declared is None:
        _count(len(data), most, lease)
    if decompressor is None:
        return Body(content_type, data)
    inflate = _inflate if len(data) < _LARGE else _inflate_in_thread
    return Body(content_type, await inflate(decompressor(), data, most, lease))


def _content_type(request: Request, *, ndjson: bool) -> str:
    given = request.headers.get(hdrs.CONTENT_TYPE)
    if given is None or given == JSON:
        return JSON
    allowed = (JSON, NDJSON) if ndjson else (JSON,)
    known = request.whole
    if known.content_type not in allowed or (known.charset or "utf-8").lower() not in ("utf-8", "us-ascii"):
        raise UnsupportedMediaType(f"the content type must be {' or '.join(allowed)} in UTF-8")
    return known.content_type


def _decompressor(request: Request) -> Callable[[], Decompressor] | None:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return None
    encoding = ", ".join(request.headers.getall(hdrs.CONTENT_ENCODING)).strip().lower()  # two lines are one list
    if encoding == "identity":
        return None
    known: dict[str, Callable[[], Decompressor]] = {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "deflate": zlib.decompressobj,
        "zstd": ZstdDecompressor,
    }
    if encoding not in known:
        raise UnsupportedMediaType(f"the content encoding must be one of {ENCODINGS}")
    return known[encoding]


def _at_hand(request: Request) -> bytes | None:
    """The body, if all of it has come. What came in one piece aiohttp (3.14) would hand out in ten times the steps."""
    content = request.content
    if not content.is_eof():
        return None
    pieces: Sequence[bytes] = getattr(content, "_buffer", ())
    one_piece = len(pieces) == 1 and content.exception() is None and not request.protocol._reading_paused  # noqa: SLF001
    return pieces[0] if one_piece else content.read_nowait()


def _say_continue(request: Request) -> None:
    transport = request.protocol.transport
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and transport is not None:
        transport.write(_CONTINUE)


async def _arriving(request: Request, most: int, lease: Lease) -> bytes:
    _say_continue(request)
    try:
        return await request.call.deadline.run(_chunks(request.content, most, lease))
    except DeadlineExceeded:
        raise RequestTooSlow("the body did not arrive in time") from None


async def _chunks(content: StreamReader, most: int, lease: Lease) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        size += len(chunk)
        _count(size, most, lease)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _count(size: int, most: int, lease: Lease) -> None:
    if size > most:
        raise _too_large(most)
    lease.grow_to(size)


async def _inflate(decompressor: Decompressor, data: bytes, most: int, lease: Lease) -> bytes:
    inflated = _decompressed(decompressor, data, most)
    lease.grow_to(len(data) + len(inflated))
    return inflated


async def _inflate_in_thread(decompressor: Decompressor, data: bytes, most: int, lease: Lease) -> bytes:
    lease.grow_to(len(data) + most)
    return await asyncio.to_thread(_decompressed, decompressor, data, most)


def _decompressed(decompressor: Decompressor, data: bytes, most: int) -> bytes:
    """One compressed stream and nothing after it, at most `most` bytes: a bomb stops there."""
    try:
        inflated = decompressor.decompress(data, most + 1)
    except (zlib.error, ZstdError):
        raise BadRequest("the body's compression is corrupt") from None
    if len(inflated) > most:
        raise _too_large(most)
    if not decompressor.eof or decompressor.unused_data:
        raise BadRequest("the body's compression is cut short or followed by something else")
    return inflated


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {most} bytes, also once decompressed")
