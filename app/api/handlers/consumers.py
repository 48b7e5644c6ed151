"""Consumer groups: `/consumers` and `/consumers/{group}`."""

from typing import Any

from app.api.answer import Answer
from app.api.request import Request
from app.api.responses import json_response
from app.gateway.consumers import ConsumerGroup, Consumers
from app.group import Member, Partition
from app.names import TopicName


class Groups:
    """Handlers for listing groups and showing one."""

    def __init__(self, consumers: Consumers) -> None:
        self._consumers = consumers

    async def list(self, request: Request) -> Answer:
        call = request.call
        groups = await call.deadline.run(self._consumers.all(call.identity.scopes))
        return json_response([{**_head(group), "members": len(group.members)} for group in groups])

    async def show(self, request: Request) -> Answer:
        call = request.call
        work = self._consumers.one(request.match_info["group"], call.identity.scopes)
        group = await call.deadline.run(work)
        partitions = [
            {
                **_place((found.topic.full, found.partition)),
                "committed": found.committed,
                "high_watermark": found.high_watermark,
                "lag": found.lag,
            }
            for found in group.partitions
        ]
        return json_response(
            {**_head(group), "members": [_member(member) for member in group.members], "partitions": partitions}
        )


def _head(group: ConsumerGroup) -> dict[str, Any]:
    return {"group": group.name, "consumer_id": group.consumer_id, "state": group.state, "lag": group.lag}


def _member(member: Member) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "client_id": member.client_id,
        "host": member.host,
        "partitions": [_place(partition) for partition in member.partitions],
    }


def _place(partition: Partition) -> dict[str, Any]:
    name = TopicName.from_broker(partition[0])
    return {"stream": name.stream, "topic": name.topic, "partition_id": partition[1]}
