"""The connections of one server, for each other: how many there are, and what they send together."""

import asyncio
from collections.abc import Sized

from app.api.wire.outbox import Outbox


class Crowd:
    """`connections` are all that are open, refused ones included."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Sized) -> None:
        self.outbox = Outbox(loop)
        self.refused: set[object] = set()
        """They are answered and read no more, and stay so long that their clients can read the answer."""
        self._connections = connections

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def served(self) -> int:
        """How many of them were not refused."""
        return self.size - len(self.refused)
