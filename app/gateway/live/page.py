"""Messages as those who listen get them: rendered once for all of them, in pages that nobody changes."""

from collections.abc import Callable

from msgspec import Struct

from app.record import Fetched, Record


class Item(Struct, frozen=True, gc=False):
    """One message: `data` is its JSON, `event_type` what a listener may ask for by."""

    offset: int
    event_type: str | None
    data: bytes


Render = Callable[[int, Record], Item]
"""A partition's record as its item."""


class Page(Struct, frozen=True, gc=False):
    """What stands in a partition from `start` up to `next_offset`; `size` is in bytes of data."""

    partition: int
    start: int
    next_offset: int
    items: list[Item]
    size: int

    def since(self, offset: int) -> "Page | None":
        """The part from this offset on; None where all of it is before."""
        if offset <= self.start:
            return self
        if offset >= self.next_offset:
            return None
        return page_of(self.partition, offset, self.next_offset, [item for item in self.items if item.offset >= offset])


def page_of(partition: int, start: int, next_offset: int, items: list[Item]) -> Page:
    return Page(partition, start, next_offset, items, sum(len(item.data) for item in items))


def rendered(partition: int, start: int, fetched: Fetched, render: Render) -> Page:
    """What a fetch from `start` found."""
    return page_of(partition, start, fetched.next_offset, [render(partition, record) for record in fetched.records])
