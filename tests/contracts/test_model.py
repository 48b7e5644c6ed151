"""Any broker beside a few lists: whatever is done to both, they answer the same."""

import asyncio
import uuid
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support import fresh_topic, publish, record

from app.record import Limit, NewRecord, Position, Written
from app.topic import TopicSpec

PARTITIONS = 3
IDS = [str(uuid.UUID(int=n, version=4)) for n in range(8)]
GROUPS = ("http-1", "http-2")

partitions = st.integers(0, PARTITIONS - 1)
records = st.builds(
    lambda partition, size, event_id: record(b"v" * size, partition=partition, event_id=event_id),
    partitions,
    st.integers(0, 40),
    st.none() | st.sampled_from(IDS),
)
calls = st.lists(st.lists(records, min_size=1, max_size=8), min_size=1, max_size=4)


@dataclass
class Topic:
    """A topic as lists."""

    partitions: list[list[NewRecord]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    committed: dict[str, dict[int, int]] = field(default_factory=dict)

    def append(self, new: NewRecord, written: Written) -> None:
        assert written.partition == new.partition
        assert written.offset == len(self.partitions[new.partition])
        self.partitions[new.partition].append(new)
        if new.event_id:
            assert new.event_id not in self.places, "stored twice"
            self.places[new.event_id] = (written.partition, written.offset)

    def page(self, partition: int, offset: int, limit: Limit) -> list[tuple[int, bytes | None]]:
        found, size = [], 0
        for at, stored in enumerate(self.partitions[partition][offset:][: limit.count], start=offset):
            size += len(stored.value)
            if found and size > limit.max_bytes:
                break
            found.append((at, stored.value))
        return found


class LogMachine(RuleBasedStateMachine):
    """Each rule does one thing to the broker and to the lists, and compares."""

    def __init__(self, implementation, place) -> None:
        super().__init__()
        self.implementation, self.place = implementation, place
        self.topics: dict[str, Topic] = {}
        self.runner = asyncio.Runner()
        self.open()

    def open(self) -> None:
        self.context = self.implementation.open(self.place)
        self.log = self.runner.run(self.context.__aenter__())

    def close(self) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))

    def teardown(self) -> None:
        for name in self.topics:
            self.runner.run(self.log.delete(name))
        self.close()
        self.runner.close()

    @precondition(lambda self: len(self.topics) < 3)
    @rule()
    def create(self) -> None:
        name = fresh_topic("model")
        self.runner.run(self.log.create(TopicSpec(name, PARTITIONS)))
        self.topics[name] = Topic()

    @precondition(lambda self: self.topics)
    @rule(data=st.data())
    def delete(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.topics)))
        self.runner.run(self.log.delete(name))
        del self.topics[name]

    @precondition(lambda self: self.topics)
    @rule(data=st.data(), calls=calls)
    def publish_at_once(self, data, calls) -> None:
        name = data.draw(st.sampled_from(sorted(self.topics)))
        if not self.implementation.can.dedupe:
            calls = [[record(new.value, partition=new.partition) for new in call] for call in calls]
        outcomes = self.runner.run(self.publish_all(name, calls))
        told = [pair for call, answers in zip(calls, outcomes, strict=True) for pair in zip(call, answers, strict=True)]
        topic = self.topics[name]
        for new, written in sorted(told, key=lambda pair: pair[1].offset):
            if not written.duplicate:
                topic.append(new, written)
        for new, written in told:
            if written.duplicate:
                assert topic.places[new.event_id] == (written.partition, written.offset)

    async def publish_all(self, name, calls):
        return await asyncio.gather(*(publish(self.log, name, *call) for call in calls))

    @precondition(lambda self: self.topics)
    @rule(
        data=st.data(),
        partition=partitions,
        offset=st.integers(0, 60),
        count=st.integers(1, 20),
        size=st.integers(0, 200),
    )
    def fetch(self, data, partition, offset, count, size) -> None:
        name = data.draw(st.sampled_from(sorted(self.topics)))
        limit = Limit(count, size)
        fetched = self.runner.run(self.log.fetch(Position(name, partition, offset), limit))
        topic = self.topics[name]
        end = len(topic.partitions[partition])
        expected = topic.page(partition, min(offset, end), limit)
        assert [(r.offset, r.value) for r in fetched.records] == expected
        assert fetched.next_offset == min(offset, end) + len(expected)
        assert (fetched.log_start_offset, fetched.high_watermark) == (0, end)

    @precondition(lambda self: self.topics)
    @rule(
        data=st.data(),
        group=st.sampled_from(GROUPS),
        offsets=st.dictionaries(partitions, st.integers(0, 50), min_size=1),
    )
    def commit(self, data, group, offsets) -> None:
        name = data.draw(st.sampled_from(sorted(self.topics)))
        self.runner.run(self.log.commit(f"{group}-{name}", name, offsets))
        self.topics[name].committed.setdefault(group, {}).update(offsets)

    @precondition(lambda self: self.topics)
    @rule(data=st.data(), group=st.sampled_from(GROUPS))
    def committed(self, data, group) -> None:
        name = data.draw(st.sampled_from(sorted(self.topics)))
        found = self.runner.run(self.log.committed(f"{group}-{name}", name))
        assert found == self.topics[name].committed.get(group, {})

    @precondition(lambda self: self.implementation.can.survive_restart)
    @rule()
    def reopen(self) -> None:
        self.close()
        self.open()

    @invariant()
    def watermarks_agree(self) -> None:
        for name, topic in self.topics.items():
            info = self.runner.run(self.log.describe(name))
            assert [p.high_watermark for p in info.partitions] == [len(stored) for stored in topic.partitions]


def test_a_broker_behaves_like_lists(implementation, place):
    run_state_machine_as_test(
        lambda: LogMachine(implementation, place),
        settings=settings(
            max_examples=implementation.model_runs,
            stateful_step_count=25,
            deadline=None,
            phases=set(Phase) - ({Phase.shrink} if implementation.model_runs < 10 else set()),  # it would take minutes
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
