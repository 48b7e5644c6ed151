"""Taking turns: for one key at a time, one holder at a time, in the order of asking. Unused keys cost nothing."""

import asyncio
from collections.abc import Hashable


class Turns:
    """Locks by key that come into being when asked for and go when nobody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    async def take(self, key: Hashable) -> None:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            await lock.acquire()
        except BaseException:
            self._leave(key)
            raise

    def give_back(self, key: Hashable) -> None:
        self._locks[key][0].release()
        self._leave(key)

    def _leave(self, key: Hashable) -> None:
        lock, users = self._locks[key]
        if users == 1:
            del self._locks[key]
        else:
            self._locks[key] = (lock, users - 1)
