"""What one transaction brings to the log: records get their offsets, repeats are found, rows are made."""

from collections.abc import Iterator, Sequence

import apsw

from app.brokers.sqlite.batches import Stored, encode, stored
from app.brokers.sqlite.catalog import Catalog, PartitionState, TopicState
from app.brokers.wakeups import PartitionKey
from app.errors import SluiceError
from app.record import Failed, NewRecord, Outcome, Written

# A row is read and checked as a whole, so a page of 100 records should not cost the decoding of megabytes.
ROW_BYTES = 128 << 10
ROW_RECORDS = 1000

_INSERT = """
INSERT INTO batch (partition, base_offset, count, max_timestamp, written_at, size, crc32, records)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
Row = tuple[int, int, int, int, int, int, int, bytes]


class _Growth:
    """What one partition gains."""

    __slots__ = ("next_offset", "rows", "size_bytes", "state", "unfilled")

    def __init__(self, state: PartitionState) -> None:
        self.state = state
        self.next_offset = state.next_offset
        self.size_bytes = state.size_bytes
        self.rows: list[list[Stored]] = []
        self.unfilled = 0  # bytes that the last row still takes

    def append(self, record: NewRecord) -> int:
        if self.unfilled <= 0 or len(self.rows[-1]) >= ROW_RECORDS:
            self.rows.append([])
            self.unfilled = ROW_BYTES
        self.rows[-1].append(stored(record))
        self.unfilled -= len(record.value) if record.value else 0
        offset = self.next_offset
        self.next_offset = offset + 1
        return offset

    def encode(self, now_ms: int) -> Iterator[Row]:
        base = self.state.next_offset
        for records in self.rows:
            crc, blob = encode(records)
            newest = max(record[0] for record in records)
            self.size_bytes += len(blob)
            yield (self.state.id, base, len(records), newest, now_ms, len(blob), crc, blob)
            base += len(records)


class Appends:
    """The records of one transaction, gathered by partition. Lives in the writer thread.

    In order: `add` each call's records, `write` inside the transaction, then `land` once it is committed.
    After a failure in between nothing needs undoing: the catalog and the dedupe windows change in `land` alone.
    """

    def __init__(self, catalog: Catalog, now_ms: int) -> None:
        self._catalog = catalog
        self._now_ms = now_ms
        self._oldest_ms = now_ms - catalog.window_ms
        self._growths: dict[int, _Growth] = {}
        self._fresh: dict[int, tuple[TopicState, dict[str, Written]]] = {}
        self.landed = False
        self.touched: set[PartitionKey] = set()

    def add(self, name: str, records: Sequence[NewRecord]) -> list[Outcome]:
        """The outcome of each record, should the transaction be committed. Raises NotFound, having added nothing."""
        topic = self._catalog.topic(name)
        growths = {number: self._growth(topic, number) for number in {record.partition for record in records}}
        if not self._catalog.window_ms:
            return [_append(growths[record.partition], record) for record in records]
        _, fresh = self._fresh.setdefault(topic.id, (topic, {}))
        outcomes: list[Outcome] = []
        for record in records:
            event_id = record.event_id
            first = self._first(topic, fresh, event_id) if event_id else None
            if first is None:
                first = _append(growths[record.partition], record)
                if event_id:
                    fresh[event_id] = first
            outcomes.append(first)
        return outcomes

    def write(self, db: apsw.Connection) -> None:
        """Raises apsw.Error; whatever a value that can't be stored raises."""
        for growth in self._growths.values():
            if growth.rows:
                db.executemany(_INSERT, growth.encode(self._now_ms))
                db.execute(
                    "UPDATE partition SET next_offset = ?, size_bytes = ? WHERE id = ?",
                    (growth.next_offset, growth.size_bytes, growth.state.id),
                )

    def land(self) -> None:
        """The transaction is committed: show it to readers, and remember its ids."""
        for growth in self._growths.values():
            growth.state.size_bytes = growth.size_bytes
            growth.state.next_offset = growth.next_offset
        self.landed = True
        self._remember()

    @property
    def grew(self) -> bool:
        """Whether there is anything to write."""
        return any(growth.rows for growth in self._growths.values())

    def find_out(self, db: apsw.Connection) -> bool:
        """Whether the file holds these records; if so, remembers their ids. Raises apsw.Error."""
        grown = [growth for growth in self._growths.values() if growth.rows]
        self.landed = bool(grown) and all(
            db.execute("SELECT next_offset FROM partition WHERE id = ?", (growth.state.id,)).get == growth.next_offset
            for growth in grown
        )
        if self.landed:
            self._remember()
        return self.landed

    def refused(self, name: str, records: Sequence[NewRecord], error: SluiceError) -> list[Outcome]:
        """The outcomes once the transaction has failed: only what was committed before is there. Raises NotFound."""
        seen = self._catalog.topic(name).seen
        failed = Failed(error)
        return [(r.event_id and seen.find(r.event_id, self._now_ms)) or failed for r in records]

    def _remember(self) -> None:
        for topic, fresh in self._fresh.values():
            topic.seen.add(fresh)

    def _growth(self, topic: TopicState, number: int) -> _Growth:
        state = topic.partition(number)
        growth = self._growths.get(state.id)
        if growth is None:
            growth = self._growths[state.id] = _Growth(state)
            self.touched.add((topic.name, number))
        return growth

    def _first(self, topic: TopicState, fresh: dict[str, Written], event_id: str) -> Written | None:
        """Where a repeat was written first: earlier in this transaction or in those before it."""
        first = fresh.get(event_id)
        if first is None:
            return topic.seen.find(event_id, self._now_ms)
        if first.timestamp_ms <= self._oldest_ms:
            return None
        return Written(first.partition, first.offset, first.timestamp_ms, duplicate=True)


def _append(growth: _Growth, record: NewRecord) -> Written:
    return Written(record.partition, growth.append(record), record.timestamp_ms)
