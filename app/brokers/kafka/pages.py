"""What a fetch answer holds, gathered into a page: records within the limit, and where the next page starts."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from app.brokers.kafka.errors import poll_failed
from app.brokers.kafka.internals import CommittedRecords
from app.record import Limit, Position, Record


class Piece(NamedTuple):
    """One partition of a fetch answer, not yet decoded."""

    high_watermark: int
    log_start: int
    aborted: list[tuple[int, int]]
    data: bytes


def unpack(answer: Any) -> tuple[int, Piece | None]:
    """Error code, or the one partition asked for. Kafka from 0.11 on answers with version 5 or later."""
    if getattr(answer, "error_code", 0):
        return answer.error_code, None
    _, code, _, stable, log_start, aborted, *_, data = answer.topics[0][1][0]
    return code, None if code else Piece(stable, log_start, aborted or [], data or b"")


class Page:
    """Grows by pieces until it is full: the broker counts encoded bytes, a limit counts those of the values."""

    def __init__(self, limit: Limit) -> None:
        self.records: list[Record] = []
        self.full = False
        self._limit = limit
        self._size = 0

    def add(self, at: Position, piece: Piece) -> int:
        """Take what fits from `at.offset` on; answers where to go on, behind what readers are not shown, too.

        Raises PollFailed when the very first record can't be decoded; a later one only ends the page.
        """
        source = CommittedRecords(at, piece.data, piece.aborted)
        next_offset = at.offset
        try:
            for batch in source.batches():
                next_offset = self.take(_records(batch), next_offset)
                if self.full:
                    return next_offset
        except Exception as error:  # whatever a broken batch makes of a decoder
            if not self.records:
                raise poll_failed(error) from error
            self.full = True
            return next_offset
        return max(next_offset, int(source.next_fetch_offset))

    def take(self, source: Iterable[Record], next_offset: int) -> int:
        """Take records from `next_offset` on until the page is full; answers where to go on behind the last one taken.

        The first fits, whatever its size. A loop with little called in it: every record that is polled comes here.
        """
        records, size, most_bytes, count = self.records, self._size, self._limit.max_bytes, self._limit.count
        for record in source:
            if record.offset < next_offset:
                continue
            if record.value:
                size += len(record.value)
            if records and size > most_bytes:
                self.full = True
                break
            records.append(record)
            next_offset = record.offset + 1
            if len(records) >= count:
                self.full = True
                break
        self._size = size
        return next_offset


def _records(batch: Iterable[Any]) -> Iterator[Record]:
    for found in batch:
        yield Record(found.offset, found.timestamp, found.key, found.value, tuple(found.headers))
