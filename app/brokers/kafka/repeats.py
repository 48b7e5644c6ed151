"""Which events a topic holds, or is about to hold: so that a repeat is answered and not stored again.

Kafka keeps no index of event ids. This one lives in the process: filled from the topic's newest records when it is
first needed, then kept by what is sent from here. Exact while the process lives, best effort across processes.
"""

import asyncio
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter

from app.brokers.dedupe import DedupeWindow
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.group_commit import Part
from app.brokers.kafka.reading import EARLIEST, LATEST, Reading
from app.errors import Disconnected, NotFound
from app.record import Failed, Limit, Position, Record, Written

_READ_AT_ONCE = Limit(1000, 1 << 20)
_ADDED_AT_ONCE = 1000
_EVENT_ID, _RECORDS, _OUTCOMES = map(attrgetter, ("event_id", "records", "outcomes"))


class TopicRepeats:
    """One topic's: `seen` is written, `in_flight` may yet be, whatever its sender was told in the meantime."""

    def __init__(self, seen: DedupeWindow) -> None:
        self._seen = seen
        self._in_flight: dict[str, Part] = {}

    def knows_any(self, event_ids: Collection[str]) -> bool:
        """Whether `find` has to be asked about these."""
        return not (self._in_flight.keys().isdisjoint(event_ids) and self._seen.ids.isdisjoint(event_ids))

    def find(self, event_id: str, now_ms: int) -> Written | Part | None:
        """Where the event is, as a duplicate; or with what it is on its way."""
        return self._in_flight.get(event_id) or self._seen.find(event_id, now_ms)

    def begin(self, part: Part) -> None:
        """These, of which none is known, are on their way until it is resolved, be it after its sender's deadline."""
        self._in_flight.update(dict.fromkeys([record.event_id for record in part.records if record.event_id], part))
        part.repeats = self

    def begin_new(self, part: Part) -> bool:
        """The same, if none of them is known indeed, and none is there twice."""
        in_flight, seen = self._in_flight, self._seen.ids
        own: dict[str, Part] = {}
        for record in part.records:
            if event_id := record.event_id:
                if event_id in own or event_id in in_flight or event_id in seen:
                    return False
                own[event_id] = part
        in_flight |= own
        part.repeats = self
        return True

    def end(self, parts: Sequence[Part]) -> None:
        """As parts tell of themselves."""
        records, outcomes = map(chain.from_iterable, (map(_RECORDS, parts), map(_OUTCOMES, parts)))
        ended = dict(zip(map(_EVENT_ID, records), outcomes, strict=True))
        ended.pop(None, None)
        landed = self._in_flight.pop
        for event_id in ended:
            landed(event_id, None)
        if Failed in map(type, ended.values()):
            ended = {event_id: outcome for event_id, outcome in ended.items() if isinstance(outcome, Written)}
        self._seen.add(ended)


class Repeats:
    """Every topic's that was sent to. `window_ms=0`: none is kept."""

    def __init__(self, directory: Directory, reading: Reading, *, window_ms: int, max_ids: int) -> None:
        self._directory = directory
        self._reading = reading
        self._window_ms = window_ms
        self._max_ids = max_ids
        self._topics: dict[str, asyncio.Task[TopicRepeats]] = {}
        self._cleared = 0

    async def fill(self, topic: str, now_ms: int) -> TopicRepeats | None:
        """The topic's, once it is filled; many who ask cause one reading, which goes on when they leave.

        Raises what reading raises; NotFound or Disconnected when the topic, or all, was forgotten in the meantime.
        """
        if not self._window_ms:
            return None
        cleared = self._cleared
        filling = self._topics.get(topic)
        if filling is None:
            filling = self._topics[topic] = asyncio.create_task(self._filled(topic, now_ms))
            filling.add_done_callback(lambda task: self._drop_failed(topic, task))
        if not filling.done():
            await asyncio.wait({filling})
        if filling.cancelled() or not (filling.exception() or self._topics.get(topic) is filling):
            if self._cleared == cleared:
                raise NotFound(f"topic '{topic}' does not exist")
            raise Disconnected("the connection to Kafka was closed")
        return filling.result()

    def forget(self, topic: str) -> None:
        """The topic is gone."""
        filling = self._topics.pop(topic, None)
        if filling is not None:
            filling.cancel()

    async def clear(self) -> None:
        """Forget everything: what became of the sends that were under way has to be read again."""
        self._cleared += 1
        fillings = list(self._topics.values())
        self._topics.clear()
        for filling in fillings:
            filling.cancel()
        await asyncio.gather(*fillings, return_exceptions=True)

    def _drop_failed(self, topic: str, filling: "asyncio.Task[TopicRepeats]") -> None:
        failed = filling.cancelled() or filling.exception() is not None
        if failed and self._topics.get(topic) is filling:
            del self._topics[topic]

    async def _filled(self, topic: str, now_ms: int) -> TopicRepeats:
        after_ms = now_ms - self._window_ms
        first = await self._reading.ends(topic, EARLIEST)
        since = await self._reading.ends(topic, after_ms)
        last = await self._reading.ends(topic, LATEST)
        starts = {number: _start(first.get(number, 0), since.get(number, -1), end) for number, end in last.items()}
        ids = _Ids()
        for number, start in newest(starts, last, self._max_ids).items():
            await self._read(Position(topic, number, start), last[number], after_ms, ids)
        seen = DedupeWindow(self._window_ms, self._max_ids)
        in_order = ids.by_time()
        while some := dict(islice(in_order, _ADDED_AT_ONCE)):
            seen.add(some)
        return TopicRepeats(seen)

    async def _read(self, at: Position, end: int, after_ms: int, ids: "_Ids") -> None:
        while at.offset < end:
            fetched = await self._reading.fetch(at, _READ_AT_ONCE, 0)
            for record in fetched.records:
                if record.timestamp_ms > after_ms and (event_id := _event_id(record)):
                    ids.add(event_id, at.partition, record)
            if fetched.next_offset <= at.offset:
                break
            at = at._replace(offset=fetched.next_offset)


class _Ids:
    """Ids and where they stand. As objects, all of a window would take as much memory as the window itself."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._partitions, self._offsets, self._times = array("l"), array("q"), array("q")

    def add(self, event_id: str, partition: int, record: Record) -> None:
        self._ids.append(event_id)
        self._partitions.append(partition)
        self._offsets.append(record.offset)
        self._times.append(record.timestamp_ms)

    def by_time(self) -> Iterator[tuple[str, Written]]:
        for n in sorted(range(len(self._ids)), key=self._times.__getitem__):
            yield self._ids[n], Written(self._partitions[n], self._offsets[n], self._times[n])


def _start(first: int, since: int, end: int) -> int:
    return max(first, since if since >= 0 else end)


def newest(starts: Mapping[int, int], ends: Mapping[int, int], most: int) -> dict[int, int]:
    """Where to start so that at most `most` records are read, each partition giving up the same share."""
    total = sum(ends[number] - start for number, start in starts.items())
    if total <= most:
        return dict(starts)
    return {number: ends[number] - (ends[number] - start) * most // total for number, start in starts.items()}


def _event_id(record: Record) -> str | None:
    for name, value in record.headers:
        if name == "event-id" and value:
            return value.decode(errors="replace")
    return None
