"""One `publish`, taken apart: what the broker would refuse, what is a repeat, what is left to be written."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.brokers.kafka.batches import HEADER, fits, refusal, size_in_batch
from app.brokers.kafka.group_commit import Part
from app.brokers.kafka.repeats import TopicRepeats
from app.deadline import Deadline
from app.errors import UNKNOWN
from app.record import Failed, NewRecord, Outcome, Written
from app.topic import TopicConfigs


class Call:
    """`outcomes` fills up, in the order of the records. `sizes` are what these take in a batch."""

    def __init__(self, topic: str, records: Sequence[NewRecord], deadline: Deadline, most_bytes: int) -> None:
        self.topic = topic
        self.records = records
        self.deadline = deadline
        self.most_bytes = most_bytes
        self.sizes = [size_in_batch(record) for record in records]
        self.outcomes: list[Any] = [None] * len(records)
        self._same: list[tuple[int, int]] = []
        self._following: list[tuple[int, Part]] = []

    def refuse(self, config: TopicConfigs) -> list[int]:
        """Fail the records that the broker would refuse; answers the places of the others."""
        if not config.compacted and HEADER + max(self.sizes) <= config.max_message_bytes:
            return list(range(len(self.records)))
        good = []
        for place, record in enumerate(self.records):
            if error := refusal(record, self.sizes[place], config):
                self.outcomes[place] = Failed(error)
            else:
                good.append(place)
        return good

    def set_aside(self, places: Iterable[int], repeats: TopicRepeats) -> list[int]:
        """Put aside what was written, or is on its way, already; answers the places of the others."""
        places = list(places)
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

    def whole(self, places: list[int]) -> Part | None:
        """All records as one part, where nothing of them was refused or put aside and one batch holds them."""
        size = sum(self.sizes)
        return Part(self.records, size) if len(places) == len(self.records) and fits(size, self.most_bytes) else None

    def part(self, places: list[int]) -> Part:
        return Part([self.records[place] for place in places], sum([self.sizes[place] for place in places]))

    def tell(self, places: list[int], outcomes: Sequence[Outcome]) -> None:
        for place, outcome in zip(places, outcomes, strict=True):
            self.outcomes[place] = outcome

    async def outcomes_of(self, part: Part) -> list[Outcome]:
        """By the deadline; what was not handed to aiokafka until then never will be."""
        if await self.deadline.wait(part):
            return list(part.result())
        return [Failed(self.deadline.error(part.withdraw()))] * len(part.records)

    async def follow(self) -> None:
        """Give the repeats that were put aside the outcomes of their firsts."""
        for place, part in self._following:
            if await self.deadline.wait(part):
                event_id = self.records[place].event_id
                number = next(n for n, record in enumerate(part.records) if record.event_id == event_id)
                self.outcomes[place] = _repeated(part.result()[number])
            else:
                self.outcomes[place] = Failed(self.deadline.error(UNKNOWN))
        for place, first in self._same:
            self.outcomes[place] = _repeated(self.outcomes[first])


def _repeated(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Failed):
        return outcome
    return Written(outcome.partition, outcome.offset, outcome.timestamp_ms, duplicate=True)
