"""A bound on the bytes of request bodies held at once: past it a request is refused rather than the process grown."""

from app.errors import Overloaded


class ByteBudget:
    """At most `limit` bytes, shared by all requests of the process; `used` are on lease."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Lease:
    """What one request has taken of the budget, nothing at first; `release` gives all of it back."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._size = 0

    def grow_to(self, size: int) -> None:
        """Hold at least `size` bytes. Raises Overloaded when the budget does not allow it."""
        more = size - self._size
        if more > 0:
            budget = self._budget
            if budget.used + more > budget.limit:
                raise Overloaded("the gateway holds as many request bytes as it may; try again shortly")
            budget.used += more
            self._size = size

    def release(self) -> None:
        self._budget.used -= self._size
        self._size = 0
