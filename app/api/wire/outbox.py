"""Answers on their way out: what is written in one round of the event loop leaves at its end, to all clients together.

A client that sleeps on another core is woken by what is sent to it, which costs several times the sending itself. Sent
in one go, the answers of a round wake it once.
"""

import asyncio
from collections.abc import Iterable, Iterator

from app.api.rounds import NextRound

AT_ONCE = 65_536
"""Bytes of one connection that wait for nothing: the system takes them, or tells the writer to pause."""

Data = bytes | bytearray | memoryview


class Outbox(NextRound["HeldTransport"]):
    """The transports that hold something."""

    def __init__(self) -> None:
        super().__init__(_send)


def _send(holding: Iterator["HeldTransport"]) -> None:
    for transport in holding:
        transport.send()


class HeldTransport(asyncio.Transport):
    """A transport that sends what is written to it at the end of the round, in order; `send` sends it now."""

    def __init__(self, transport: asyncio.Transport, outbox: Outbox) -> None:
        super().__init__()
        self._transport = transport
        self._outbox = outbox
        self._pieces: list[Data] = []
        self._size = 0
        self.is_closing = transport.is_closing  # type: ignore[method-assign]  # asked several times a request
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]

    def write(self, data: Data) -> None:
        pieces = self._pieces
        if not pieces:
            self._outbox.add(self)
        pieces.append(data)
        self._size = size = self._size + len(data)
        if size >= AT_ONCE:
            self.send()

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        for data in list_of_data:
            self.write(data)

    def send(self) -> None:
        """Hand over what waits, unless the connection was lost meanwhile."""
        if pieces := self._pieces:
            self._pieces, self._size = [], 0
            if not self.is_closing():
                self._transport.writelines(pieces)

    def close(self) -> None:
        self.send()
        self._transport.close()

    def abort(self) -> None:
        self._pieces, self._size = [], 0
        self._transport.abort()

    def write_eof(self) -> None:
        self.send()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        return self._size + self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()
