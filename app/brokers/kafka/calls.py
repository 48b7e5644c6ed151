"""One `publish`, taken apart: what the broker would refuse, what is a repeat, what is left to be written."""

from collections.abc import Sequence
from typing import Any

from app.brokers.kafka.batches import refusal
from app.brokers.kafka.destinations import Destination
from app.brokers.kafka.group_commit import Part
from app.brokers.kafka.repeats import TopicRepeats
from app.deadline import Deadline
from app.errors import UNKNOWN
from app.record import BATCH_HEADER, Failed, NewRecord, Outcome, Written
from app.topic import TopicConfigs


class Call:
    """`outcomes` fills up, in the order of the records. `sizes` are what these take in a batch."""

    def __init__(self, topic: str, records: Sequence[NewRecord], deadline: Deadline, to: Destination) -> None:
        self.topic = topic
        self.records = records
        self.deadline = deadline
        self.to = to
        self.sizes = [record.framed for record in records]
        self.outcomes: list[Any] = [None] * len(records)
        self._same: list[tuple[int, int]] = []
        self._following: list[tuple[int, Part]] = []

    def places(self) -> list[int]:
        """Of the records that are left to be sent."""
        good = self._refuse(self.to.config)
        return self._set_aside(good, self.to.repeats) if self.to.repeats else good

    def _refuse(self, config: TopicConfigs) -> list[int]:
        """Fail the records that the broker would refuse; answers the places of the others."""
        if not config.compacted and BATCH_HEADER + max(self.sizes) <= config.max_message_bytes:
            return list(range(len(self.records)))
        good = []
        for place, record in enumerate(self.records):
            if error := refusal(record, config):
                self.outcomes[place] = Failed(error)
            else:
                good.append(place)
        return good

    def _set_aside(self, places: list[int], repeats: TopicRepeats) -> list[int]:
        """Put aside what was written, or is on its way, already; answers the places of the others."""
        ids = [event_id for place in places if (event_id := self.records[place].event_id)]
        if len(set(ids)) == len(ids) and not repeats.knows_any(ids):
            return places
        fresh: list[int] = []
        first: dict[str, int] = {}
        for place in places:
            record = self.records[place]
            event_id = record.event_id
            known = repeats.find(event_id, record.timestamp_ms) if event_id else None
            if isinstance(known, Written):
                self.outcomes[place] = known
            elif known is not None:
                self._following.append((place, known))
            elif event_id and event_id in first:
                self._same.append((place, first[event_id]))
            else:
                fresh.append(place)
                if event_id:
                    first[event_id] = place
        return fresh

    def part(self, places: list[int]) -> Part:
        return Part([self.records[place] for place in places], sum([self.sizes[place] for place in places]))

    def tell(self, places: list[int], outcomes: Sequence[Outcome]) -> None:
        for place, outcome in zip(places, outcomes, strict=True):
            self.outcomes[place] = outcome

    async def follow(self) -> None:
        """Give the repeats that were put aside the outcomes of their firsts."""
        for place, part in self._following:
            answer = part.answer(self.deadline.loop)
            if await self.deadline.wait(answer):
                event_id = self.records[place].event_id
                number = next(n for n, record in enumerate(part.records) if record.event_id == event_id)
                self.outcomes[place] = _repeated(answer.result()[number])
            else:
                self.outcomes[place] = Failed(self.deadline.error(UNKNOWN))
        for place, first in self._same:
            self.outcomes[place] = _repeated(self.outcomes[first])


def whole(records: Sequence[NewRecord], to: Destination) -> Part | None:
    """All of them as one part, on its way: one batch of one partition holds them, none is refused, all are new."""
    partition, size = records[0].partition, 0
    for record in records:
        if record.partition != partition:
            return None
        size += record.framed
    if partition not in to.partitions or size > to.room:
        return None
    if to.config.compacted and None in [record.key for record in records]:
        return None
    part = Part(records, size)
    return part if to.repeats is None or to.repeats.begin_new(part) else None


def _repeated(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Failed):
        return outcome
    return Written(outcome.partition, outcome.offset, outcome.timestamp_ms, duplicate=True)
