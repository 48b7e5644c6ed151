"""A load generator that costs little: raw requests over many connections, each waiting for its answer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

KEY = "benchmark"
"""The API key that the gateways here know, so that the whole door is on the way."""

_EVERY = f"Host: x\r\nX-API-Key: {KEY}\r\n"


@dataclass
class Result:
    """What a run saw. `latencies` are seconds, one for each request."""

    seconds: float
    latencies: list[float] = field(repr=False)
    bytes_read: int

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def joined(results: Sequence[Result]) -> Result:
    """Several runs as if they were one."""
    latencies = [seconds for result in results for seconds in result.latencies]
    return Result(sum(result.seconds for result in results), latencies, sum(result.bytes_read for result in results))


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one's answer is whole."""

    def __init__(self, next_request: Callable[[], bytes | None], result: Result) -> None:
        self._next_request = next_request
        self._result = result
        self._head = b""
        self._left = 0
        """Bytes of the answer's body that are still to come; they are counted, not kept."""
        self._sent_at = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        self._result.bytes_read += len(data)
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            if not self._read_head():
                return
        if not self._left:
            self._result.latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def _read_head(self) -> bool:
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return False
        self._head = b""
        if head[9:10] != b"2":
            self.done.set_exception(AssertionError((head + body)[:2000].decode(errors="replace")))
            return False
        start = head.index(b"Content-Length: ") + 16
        self._left = int(head[start:].partition(b"\r\n")[0]) - len(body)
        return True

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def load(port: int, requests: list[bytes], *, connections: int, seconds: float) -> Result:
    """Send the requests in turn, again and again, for so many seconds. Raises on the first answer that is not 2xx."""
    loop = asyncio.get_running_loop()
    result = Result(0, [], 0)
    until = time.perf_counter() + seconds
    number = 0

    def next_request() -> bytes | None:
        nonlocal number
        number += 1
        return requests[number % len(requests)] if time.perf_counter() < until else None

    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(next_request, result), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    result.seconds = time.perf_counter() - started
    return result


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\n{_EVERY}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_EVERY}\r\n".encode()
