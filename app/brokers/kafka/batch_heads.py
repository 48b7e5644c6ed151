"""The head of a record batch, byte by byte (https://kafka.apache.org/documentation/#recordbatch)."""

from crc32c import crc32c

_LENGTH_AT, _LENGTH_END, _MAGIC_AT, _CRC_AT, _CRC_END, _CODEC_AT = 8, 12, 16, 17, 21, 22
_CODEC = 0b111
_SINCE_KAFKA_0_11 = 2


def end_of(data: memoryview, start: int) -> int:
    """Where the batch that starts here ends."""
    return start + _LENGTH_END + int.from_bytes(data[start + _LENGTH_AT : start + _LENGTH_END])


def is_old(batch: memoryview) -> bool:
    """Whether the batch is of before Kafka 0.11, with its head and its checksum elsewhere."""
    return batch[_MAGIC_AT] < _SINCE_KAFKA_0_11


def is_sound(batch: memoryview) -> bool:
    """Whether its checksum is right, by the processor's own CRC32C: aiokafka's costs more than decoding."""
    return _checksum(batch) == int.from_bytes(batch[_CRC_AT:_CRC_END])


def seal(batch: bytearray) -> None:
    """Write its checksum anew."""
    batch[_CRC_AT:_CRC_END] = _checksum(memoryview(batch)).to_bytes(_CRC_END - _CRC_AT)


def is_compressed(batch: memoryview) -> bool:
    """Whether it is, or, being old, may be."""
    return is_old(batch) or batch[_CODEC_AT] & _CODEC != 0


def _checksum(batch: memoryview) -> int:
    return crc32c(batch[_CRC_END:])
