"""The broker that leads a partition, as far as fetches go, in memory."""

import asyncio
from types import SimpleNamespace

from aiokafka.producer.message_accumulator import BatchBuilder

from app.brokers.kafka.internals import FetchRequest

NONE, GZIP = 0, 1
OUT_OF_RANGE = 1


class Leader:
    """The broker that leads a partition: answers with whole record batches, at least one, and counts their bytes."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self.sent = 0
        self.answers = 0
        """Those with records."""
        self._batches: list[tuple[int, bytes]] = []

    def write(self, *values: bytes, codec: int = NONE) -> None:
        """One record batch."""
        batch = BatchBuilder(100 << 20, codec)
        for value in values:
            batch.append(timestamp=1, key=None, value=value)
        data = bytearray(batch._build())  # noqa: SLF001  # what a producer does
        data[:8] = self.end.to_bytes(8)  # the broker sets the base offset, which no checksum covers
        self.end += len(values)
        self._batches.append((self.end, bytes(data)))

    def spoil(self) -> None:
        """A bit of the last batch falls over."""
        end, data = self._batches[-1]
        self._batches[-1] = (end, data[:-1] + bytes([data[-1] ^ 1]))

    async def metadata(self, topics, *, node=None):
        await asyncio.sleep(0)
        return SimpleNamespace(topics=[(0, name, False, [(0, 0, 0, [0], [0])]) for name in topics])

    async def send(self, node, request, *, lane="", otherwise=None):
        await asyncio.sleep(0)
        if not isinstance(request, FetchRequest):
            [(topic, [(partition, when)])] = request._topics  # noqa: SLF001  # as a broker sees it
            return SimpleNamespace(topics=[(topic, [(partition, 0, -1, self.end if when == -1 else self.start)])])
        [(topic, [(partition, offset, most)])] = request.topics
        fits = self.start <= offset <= self.end
        data = self._data(offset, most) if fits else b""
        self.sent += len(data)
        self.answers += bool(data)
        code = 0 if fits else OUT_OF_RANGE
        row = (partition, code, self.end, self.end, self.start, [], -1, data)
        return SimpleNamespace(topics=[(topic, [row])])

    def _data(self, offset: int, most: int) -> bytes:
        found = [data for end, data in self._batches if end > offset]
        return found[0] + b"".join(found[1:])[: max(0, most - len(found[0]))] if found else b""
