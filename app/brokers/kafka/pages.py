"""What a fetch answer holds, gathered into a page: records within the limit, and where the next page starts."""

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
                for found in batch:
                    if found.offset < next_offset:
                        continue
                    headers = tuple(found.headers)
                    if not self.take(Record(found.offset, found.timestamp, found.key, found.value, headers)):
                        return next_offset
                    next_offset = found.offset + 1
        except Exception as error:  # whatever a broken batch makes of a decoder
            if not self.records:
                raise poll_failed(error) from error
            self.full = True
            return next_offset
        return max(next_offset, int(source.next_fetch_offset))

    def take(self, record: Record) -> bool:
        """Whether it still fitted; the first record does, whatever its size."""
        if record.value:
            self._size += len(record.value)
        if self.records and (self._size > self._limit.max_bytes or len(self.records) >= self._limit.count):
            self.full = True
            return False
        self.records.append(record)
        self.full = len(self.records) >= self._limit.count
        return True
