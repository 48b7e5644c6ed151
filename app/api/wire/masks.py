"""A client has to mask its frames on a WebSocket (RFC 6455, 5.1), which aiohttp does not ask of it."""

from typing import Any

_MASKED = 0x80
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4

REFUSED = b"\xf0\x80"
"""The head of a frame with reserved bits, which aiohttp closes with 1002, a protocol error."""


class Masks:
    """Follows a client's frames, in pieces of any size. It keeps back the beginning of a head at most."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        """Bytes of the running frame that are still to come."""
        self._refused = False

    def of(self, data: bytes) -> bytes:
        """What of these bytes may be read; behind the last masked frame, `REFUSED` in place of one that is not."""
        if self._refused:
            return b""
        data, at = self._head + data, 0
        while True:
            at += self._pass(len(data) - at)
            begin = _payload_begins(data, at)
            if begin is None:
                break
            if not data[at + 1] & _MASKED:
                self._refused = True
                return data[:at] + REFUSED
            self._left = _length(data, at)
            at = begin
        self._head = data[at:]
        return data[:at]

    def _pass(self, there: int) -> int:
        passed = min(self._left, there)
        self._left -= passed
        return passed


def _payload_begins(data: bytes, at: int) -> int | None:
    """Where the payload of the frame begins whose head is at this place; None: the head is not whole yet."""
    if len(data) - at < 2:
        return None
    second = data[at + 1]
    if not second & _MASKED:
        return at
    begin = at + 2 + _LENGTH_BYTES.get(second & ~_MASKED, 0) + _MASK_BYTES
    return begin if begin <= len(data) else None


def _length(data: bytes, at: int) -> int:
    length = data[at + 1] & ~_MASKED
    more = _LENGTH_BYTES.get(length)
    return int.from_bytes(data[at + 2 : at + 2 + more]) if more else length


class MaskedReader:
    """aiohttp's reader of a WebSocket, which reads what is masked."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._masks = Masks()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        read: tuple[bool, bytes] = self._reader.feed_data(self._masks.of(bytes(data)))
        return read

    def feed_eof(self) -> None:
        self._reader.feed_eof()
