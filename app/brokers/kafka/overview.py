"""Many topics at once: one request of each kind a broker, whatever the number of topics."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.brokers.kafka.connection import Connection
from app.brokers.kafka.directory import Directory, Leaders
from app.brokers.kafka.errors import MOVED
from app.brokers.kafka.internals import READ_COMMITTED, OffsetRequest
from app.brokers.kafka.protocol import DescribeLogDirsRequest
from app.brokers.kafka.reading import EARLIEST, LANE, LATEST
from app.errors import Disconnected
from app.topic import PartitionInfo, TopicInfo

PATIENCE = 3.0
"""Seconds in which partitions whose leaders move may settle."""

PAUSE = 0.05

Place = tuple[str, int]
Layout = Mapping[str, Mapping[int, Leaders]]


@dataclass(frozen=True, slots=True)
class Overview:
    """`BrokerAdmin.describe_many` on a cluster."""

    connection: Connection
    directory: Directory

    async def describe(self, topics: Sequence[str]) -> list[TopicInfo]:
        """Those of the topics that exist, with fresh figures. Raises Disconnected."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await self._describe(topics)
            except Disconnected:
                if asyncio.get_running_loop().time() >= until:
                    raise
            await asyncio.sleep(PAUSE)

    async def _describe(self, topics: Sequence[str]) -> list[TopicInfo]:
        layout = await self.directory.layouts(topics)
        by_leader = _by_leader(layout)
        configs, first, last, sizes = await asyncio.gather(
            self.directory.own_configs(list(layout)),
            self._ends(by_leader, EARLIEST),
            self._ends(by_leader, LATEST),
            self._sizes(by_leader),
        )
        return [
            TopicInfo(
                topic,
                tuple(
                    PartitionInfo(
                        partition=number,
                        leader=known.leader if known.leader >= 0 else None,
                        replicas=known.replicas,
                        in_sync=known.in_sync,
                        log_start_offset=first.get((topic, number), 0),
                        high_watermark=last.get((topic, number), 0),
                    )
                    for number, known in sorted(partitions.items())
                ),
                configs.get(topic, {}),
                sum(sizes.get((topic, number), 0) for number in partitions),
            )
            for topic, partitions in layout.items()
        ]

    async def _ends(self, by_leader: Mapping[int, Mapping[str, list[int]]], when: int) -> dict[Place, int]:
        answers = await asyncio.gather(
            *(
                self.connection.send(
                    leader,
                    OffsetRequest(
                        -1, READ_COMMITTED, [(topic, [(n, when) for n in part]) for topic, part in led.items()]
                    ),
                    lane=LANE,
                )
                for leader, led in by_leader.items()
            )
        )
        found = {}
        for topic, partitions in [pair for answer in answers for pair in answer.topics]:
            for number, code, _, offset in partitions:
                if code in MOVED:
                    raise Disconnected(f"partition {number} of topic '{topic}' has no leader that serves it")
                found[topic, number] = offset if not code else 0
        return found

    async def _sizes(self, by_leader: Mapping[int, Mapping[str, list[int]]]) -> dict[Place, int]:
        """Bytes of each partition's leading replica; none where we are not allowed to ask."""
        answers: list[Any] = await asyncio.gather(
            *(self.connection.send(node, DescribeLogDirsRequest(list(led.items()))) for node, led in by_leader.items())
        )
        folders = [folder for answer in answers for code, _, folder in answer.results if not code]
        return {
            (topic, number): size
            for folder in folders
            for topic, replicas in folder
            for number, size, _, is_future in replicas
            if not is_future
        }


def _by_leader(layout: Layout) -> dict[int, dict[str, list[int]]]:
    led: dict[int, dict[str, list[int]]] = {}
    for topic, partitions in layout.items():
        for number, known in partitions.items():
            if known.leader >= 0:
                led.setdefault(known.leader, {}).setdefault(topic, []).append(number)
    return led
