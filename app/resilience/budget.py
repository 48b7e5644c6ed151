"""A bound on the bytes of request bodies held at once: past it a request is refused rather than the process grown."""

from app.errors import Overloaded


class ByteBudget:
    """At most `limit` bytes, shared by all requests of the process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    @property
    def used(self) -> int:
        return self._used

    def lease(self) -> "Lease":
        """A request's share, empty at first."""
        return Lease(self)

    def _take(self, size: int) -> None:
        if self._used + size > self._limit:
            raise Overloaded("the gateway holds as many request bytes as it may; try again shortly")
        self._used += size

    def _give_back(self, size: int) -> None:
        self._used -= size


class Lease:
    """What one request has taken of the budget; `release` gives all of it back."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._size = 0

    def grow_to(self, size: int) -> None:
        """Hold at least `size` bytes. Raises Overloaded when the budget does not allow it."""
        if size > self._size:
            self._budget._take(size - self._size)  # noqa: SLF001  # a lease is the budget's own hand
            self._size = size

    def release(self) -> None:
        if self._size:
            self._budget._give_back(self._size)  # noqa: SLF001  # as above
            self._size = 0
