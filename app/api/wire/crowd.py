"""The connections of one server, for each other."""

from collections.abc import Sized


class Crowd:
    """`connections` are all that are open, refused ones included."""

    def __init__(self, connections: Sized) -> None:
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
