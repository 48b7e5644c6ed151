"""What of a call goes into which record batch: by partition, in request order, none larger than its topic takes."""

from collections.abc import Iterable, Sequence

from app.errors import NOT_WRITTEN, MessageTooLarge, SluiceError, ValidationFailed
from app.record import BATCH_HEADER, NewRecord
from app.topic import TopicConfigs

MOST_BYTES = 1_048_588
"""The largest batch of several records; Kafka's own default for a topic. A single record may be larger."""


def refusal(record: NewRecord, config: TopicConfigs) -> SluiceError | None:
    """Why the broker would refuse every record of a batch that held this one: found out before it joins one."""
    if record.key is None and config.compacted:
        return ValidationFailed.of("partition_key", "must be given: the topic is compacted, and that goes by key")
    needed = BATCH_HEADER + record.framed
    if needed > config.max_message_bytes:
        return MessageTooLarge(
            f"the record needs {needed} bytes, the topic's max.message.bytes is {config.max_message_bytes}",
            outcome=NOT_WRITTEN,
        )
    return None


def by_partition(records: Sequence[NewRecord], indices: Iterable[int]) -> dict[int, list[int]]:
    """The records' places, by partition, in request order."""
    places: dict[int, list[int]] = {}
    for index in indices:
        places.setdefault(records[index].partition, []).append(index)
    return places


def chunks(places: list[int], sizes: Sequence[int], room: int) -> list[list[int]]:
    """The places of one partition as the fewest batches that keep the order and have room for their records."""
    if sum([sizes[place] for place in places]) <= room:
        return [places]
    found: list[list[int]] = []
    left = 0
    for place in places:
        if sizes[place] > left:
            found.append([])
            left = room
        found[-1].append(place)
        left -= sizes[place]
    return found
