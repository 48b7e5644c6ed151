"""How far a consumer has read a topic: `…/topics/{topic}/offsets`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from app.api.answer import Answer
from app.api.body import read_body
from app.api.parsing import offsets as parsing
from app.api.request import Request, topic_of
from app.api.responses import json_response
from app.gateway.offsets import Offsets, PartitionOffset


class OffsetsOf:
    """Handlers for showing, setting and forgetting committed offsets."""

    def __init__(self, offsets: Offsets, *, most_bytes: int) -> None:
        self._offsets = offsets
        self._most_bytes = most_bytes

    async def show(self, request: Request) -> Answer:
        consumer = parsing.consumer_query(request.query)
        found = await request.call.deadline.run(self._offsets.show(topic_of(request), consumer))
        return _answer(consumer, found)

    async def set(self, request: Request) -> Answer:
        asked = parsing.offsets_query(request.query)
        wanted = parsing.offsets_wanted((await read_body(request, most=self._most_bytes)).data)
        work = self._offsets.set(topic_of(request), asked.consumer_id, wanted, dry_run=asked.dry_run)
        return _answer(asked.consumer_id, await request.call.deadline.run(work))

    async def forget(self, request: Request) -> Answer:
        consumer = parsing.consumer_query(request.query)
        await request.call.deadline.run(self._offsets.forget(topic_of(request), consumer))
        return Answer(status=HTTPStatus.NO_CONTENT)


def _answer(consumer: str, found: Sequence[PartitionOffset]) -> Answer:
    partitions: list[dict[str, Any]] = [
        {
            "partition_id": partition.partition,
            "committed": partition.committed,
            "high_watermark": partition.high_watermark,
            "log_start_offset": partition.log_start_offset,
            "lag": partition.lag,
        }
        for partition in found
    ]
    return json_response({"consumer_id": consumer, "partitions": partitions})
