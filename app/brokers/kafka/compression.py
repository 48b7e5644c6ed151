"""Record batches whose compression can be done ahead of sending, in a thread.

aiokafka compresses on the event loop, at the moment of sending: only then it knows the producer id and the sequence
number. Both stand in the batch's header, outside of what is compressed, so they can be filled in later; the checksum is
made again (https://kafka.apache.org/documentation/#recordbatch).
"""

import struct
from collections.abc import Sequence
from typing import Literal

from app.brokers.kafka import batch_heads
from app.brokers.kafka.internals import BatchBuilder
from app.record import NewRecord

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
CODECS: dict[Compression, int] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_PRODUCER = struct.Struct(">qhi")
_PRODUCER_AT = 43
"""Producer id, epoch and base sequence."""


class RecordBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka carries no types
    """A batch for `send_batch`, empty at first. `compress` may run in any thread, once, when it is filled."""

    _buffer: bytes | bytearray | None

    def fill(self, records: Sequence[NewRecord]) -> None:
        """Append these, for which there has to be room, and close it."""
        append = self._builder.append
        for place, record in enumerate(records):
            append(place, record.timestamp_ms, record.key, record.value, list(record.headers))
        self._relative_offset = len(records)
        self.close()

    def compress(self) -> None:
        self._build()

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        if self._buffer is None:
            super()._set_producer_state(producer_id, producer_epoch, base_sequence)
            return
        data = bytearray(self._buffer)
        _PRODUCER.pack_into(data, _PRODUCER_AT, producer_id, producer_epoch, base_sequence)
        batch_heads.seal(data)
        self._buffer = data
