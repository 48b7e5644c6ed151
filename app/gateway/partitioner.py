"""Which partition a record goes to: Kafka's own rule for keys, so that all producers of a topic agree."""

from collections.abc import Callable
from functools import lru_cache
from itertools import count

Spread = Callable[[str, int], int]
"""The partition, of so many, of the topic with this full name, for records that have neither key nor partition."""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def in_turn() -> Spread:
    """One partition after the other."""
    turns = count()
    return lambda _topic, partitions: next(turns) % partitions


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of so many, for all that has this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=4096)
def murmur2(data: bytes) -> int:
    """The unsigned 32-bit murmur2 of Kafka's clients (org.apache.kafka.common.utils.Utils.murmur2).

    Remembered for the keys of late: that of a UUID takes as long as validating an event does, and keys come again.
    """
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        h = (h * _M ^ (k ^ k >> 24) * _M) & _MASK
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15
