"""When each bucket is full again: a table of fixed size in memory that one process has, or several share.

A set-associative table, as caches are built: a bucket's place is one of the few slots that its name's keyed hash
(BLAKE2b, so that nobody can choose names that fall together) leads to. Whoever is full may be forgotten, for that is
the same as being new.
"""

import fcntl
import math
import mmap
import os
import secrets
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from threading import Lock

SETS = 32_768
_WAYS = 8
_SECRET_BYTES = 32
_CACHED_PLACES = 8_192


class Moments:
    """Moments by the caller, rate and size of a bucket, by the monotonic clock of the machine, in seconds.

    16 bytes a slot, 4 MiB for the 262,144 of `SETS`. When a bucket comes new and all slots it could have belong to
    such as are not full yet, it shares one with others of its rate and size: no abuser is forgiven for want of room.
    Use it while it is `held`. `full_at` has the moments by slot.
    """

    def __init__(self, memory: bytearray | mmap.mmap, held: AbstractContextManager[object]) -> None:
        view = memoryview(memory)
        self.held = held
        self._secret = bytes(view[:_SECRET_BYTES])
        half = (len(view) - _SECRET_BYTES) // 2
        self._tags = view[_SECRET_BYTES : _SECRET_BYTES + half].cast("Q")
        self.full_at = view[_SECRET_BYTES + half :].cast("d")
        self._sets = len(self._tags) // _WAYS - 1  # the last is for those who share
        self._place_of = lru_cache(_CACHED_PLACES)(self._hash)

    @classmethod
    def alone(cls, sets: int = SETS) -> "Moments":
        """For one process."""
        memory = bytearray(_size(sets))
        memory[:_SECRET_BYTES] = secrets.token_bytes(_SECRET_BYTES)
        return cls(memory, Lock())  # nobody waits for it, and it is cheaper than `nullcontext`

    @classmethod
    def shared(cls, path: Path, sets: int = SETS) -> "Moments":
        """For all processes that open the file at `path`, which is made when it is missing. Raises OSError.

        Each use holds a lock of the file (fcntl), which a process that dies lets go.
        """
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        held = _FileLock(file)
        with held:
            if not os.fstat(file).st_size:
                os.truncate(file, _size(sets))
                os.pwrite(file, secrets.token_bytes(_SECRET_BYTES), 0)
        return cls(mmap.mmap(file, 0), held)

    def slot_of(self, caller: str, rate: float, size: float, now: float) -> int:
        """Where the moment of the caller's bucket of this kind stands, from now on if it was nowhere."""
        tag, first = self._place_of(caller, rate, size)
        if self._tags[first] == tag:  # as nearly always
            return first
        slot = self._slot_from(first, tag, now)
        if slot is not None:
            return slot
        tag, _ = self._place_of("", rate, size)
        first = self._sets * _WAYS
        slot = self._slot_from(first, tag, now)
        return first + tag % _WAYS if slot is None else slot

    def _slot_from(self, first: int, tag: int, now: float) -> int | None:
        """The tag's slot in this set, a free one made its own if it had none; None if there is none free either."""
        free = None
        for slot in range(first, first + _WAYS):
            if self._tags[slot] == tag:
                return slot
            if free is None and self.full_at[slot] <= now:
                free = slot
        if free is not None:
            self._tags[free] = tag
            self.full_at[free] = math.nextafter(now, math.inf)  # taken, for whoever looks next
        return free

    def _hash(self, caller: str, rate: float, size: float) -> tuple[int, int]:
        """The bucket's tag, and the first slot of its set."""
        name = f"{rate} {size} {caller}"
        digest = blake2b(name.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=8).digest()
        tag = int.from_bytes(digest) or 1
        return tag, tag % self._sets * _WAYS


class _FileLock(AbstractContextManager[None]):
    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)


def _size(sets: int) -> int:
    return _SECRET_BYTES + 16 * _WAYS * (sets + 1)
