"""A page: records within a limit."""

from collections.abc import Iterable

from app.brokers.kafka.errors import poll_failed
from app.record import Limit, Record


class Page:
    """Grows until it is full: the broker counts encoded bytes, a limit counts those of the values."""

    def __init__(self, limit: Limit) -> None:
        self.records: list[Record] = []
        self.full = False
        self.size = 0
        """Bytes of all values."""
        self.too_large: Record | None = None
        """The record that was taken from its source, and did not fit."""
        self._limit = limit

    def take(self, source: Iterable[Record], next_offset: int) -> int:
        """Take records from `next_offset` on until the page is full; answers where to go on behind the last one taken.

        The first fits, whatever its size. Raises PollFailed when it can't be decoded; a later one only ends the page. A
        loop with little called in it: every record that is polled comes here.
        """
        records, size, most_bytes, count = self.records, self.size, self._limit.max_bytes, self._limit.count
        try:
            for record in source:
                if record.offset < next_offset:
                    continue
                length = len(record.value) if record.value else 0
                if records and size + length > most_bytes:
                    self.full, self.too_large = True, record
                    break
                size += length
                records.append(record)
                next_offset = record.offset + 1
                if len(records) >= count:
                    self.full = True
                    break
        except Exception as error:  # whatever a broken batch makes of a decoder
            if not records:
                raise poll_failed(error) from error
            self.full = True
        self.size = size
        return next_offset
