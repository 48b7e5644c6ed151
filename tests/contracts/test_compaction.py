"""What a compacted topic keeps: of each key the newest record, at its offset; and when a tombstone goes."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import fresh_topic, publish, read_all, record

from app.broker import Log
from app.errors import ValidationFailed
from app.record import Limit, Position, Record
from app.topic import TopicSpec

EAGER = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "100"}
"""`segment.ms` is for Kafka, which compacts only what is behind its newest segment."""


@pytest.fixture
async def log(implementation, place):
    """Without a dedupe window: the embedded log compacts nothing that is younger."""
    async with implementation.open(place, dedupe_window_secs=0) as log:
        yield log


async def make(log: Log, **configs: str) -> str:
    name = fresh_topic()
    await log.create(TopicSpec(name, 1, EAGER | {key.replace("_", "."): value for key, value in configs.items()}))
    return name


async def put(log: Log, topic: str, *pairs: tuple[bytes, bytes | None], now_ms: int | None = None) -> None:
    await publish(log, topic, *(record(value, key=key, now_ms=now_ms) for key, value in pairs))


async def settled(log: Log, topic: str, offsets: list[int]) -> list[Record]:
    """Wait until these offsets are what is left; more records come meanwhile, or Kafka would never begin."""
    async with asyncio.timeout(60):
        while True:
            found = await read_all(log, topic)
            if [r.offset for r in found if r.key != b"more"] == offsets:
                return found
            await put(log, topic, (b"more", b""))
            await asyncio.sleep(0.1)


async def test_of_each_key_the_newest_record_stays_at_its_offset(log):
    topic = await make(log)
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"))
    await put(log, topic, (b"c", b"1"), (b"a", b"3"), (b"b", b"2"), (b"d", b"1"))
    found = await settled(log, topic, [3, 4, 5, 6])
    assert [(r.key, r.value) for r in found[:4]] == [(b"c", b"1"), (b"a", b"3"), (b"b", b"2"), (b"d", b"1")]


async def test_reading_goes_on_behind_holes(log):
    topic = await make(log)
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"a", b"3"), (b"c", b"1"))
    await settled(log, topic, [1, 3, 4])
    for offset, first in ((0, 1), (1, 1), (2, 3), (3, 3), (4, 4)):
        fetched = await log.fetch(Position(topic, 0, offset), Limit(1, 1000))
        assert [r.offset for r in fetched.records] == [first]
        assert fetched.next_offset == first + 1
        assert fetched.log_start_offset == 0
    [outcome] = await publish(log, topic, record(b"new", key=b"new"))
    assert outcome.offset == fetched.high_watermark


async def test_a_tombstone_takes_its_key_away_and_goes_when_it_has_been_there_long_enough(log, implementation):
    topic = await make(log, delete_retention_ms="500")
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", None))
    if implementation.can.retain_promptly:
        await settled(log, topic, [1, 2])
    await settled(log, topic, [1])


async def test_a_tombstone_stays_for_as_long_as_delete_retention_says(log):
    topic = await make(log)
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", None))
    found = await settled(log, topic, [1, 2])
    assert found[1].value is None


async def test_a_tombstone_has_its_time_from_the_round_that_met_it_however_old_it_was(log):
    topic = await make(log, delete_retention_ms="3600000")
    old_ms = int(time.time() * 1000) - 7_200_000
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", None), now_ms=old_ms)
    await settled(log, topic, [1, 2])


async def test_reads_wait_behind_holes_at_the_end_of_a_log_that_nobody_writes_to(log, can):
    if not can.retain_promptly:
        pytest.skip("Kafka compacts nothing in the newest segment")
    topic = await make(log, delete_retention_ms="0")
    await put(log, topic, (b"a", b"1"), (b"a", None))
    async with asyncio.timeout(60):
        while await read_all(log, topic):
            await asyncio.sleep(0.02)
    reading = asyncio.create_task(log.fetch(Position(topic, 0, 1), Limit(1, 1000), wait=60))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await put(log, topic, (b"b", b"1"))
    assert [r.offset for r in (await reading).records] == [2]


async def test_a_repeat_is_known_although_its_record_is_superseded(implementation, place, can):
    if not can.dedupe:
        pytest.skip("keeps no dedupe window")
    async with implementation.open(place) as log:
        topic = await make(log)
        for n in range(3):
            await publish(log, topic, record(b"%d" % n, key=b"k", event_id=f"{topic}-{n}"))
        await asyncio.sleep(0.3)
        [again] = await publish(log, topic, record(b"0", key=b"k", event_id=f"{topic}-0"))
        assert (again.offset, again.duplicate) == (0, True)
        assert (await read_all(log, topic))[-1].offset == 2


async def test_what_is_younger_than_the_lag_stays(log):
    topic = await make(log, min_compaction_lag_ms="3600000")
    await put(log, topic, *[(b"a", b"%d" % n) for n in range(3)])
    await asyncio.sleep(0.3)
    assert len(await read_all(log, topic)) == 3


async def test_topics_that_are_not_compacted_keep_everything(log):
    topic = await make(log, cleanup_policy="delete")
    await put(log, topic, *[(b"a", b"%d" % n) for n in range(5)])
    await asyncio.sleep(0.3)
    assert len(await read_all(log, topic)) == 5


async def test_compaction_and_retention_go_together(log, can):
    if not can.retain_promptly:
        pytest.skip("retention takes its time")
    topic = await make(log, cleanup_policy="compact,delete", retention_ms="3600000")
    old_ms = int(time.time() * 1000) - 7_200_000
    await put(log, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), now_ms=old_ms)
    await put(log, topic, (b"c", b"1"), (b"c", b"2"))
    await settled(log, topic, [4])
    fetched = await log.fetch(Position(topic, 0, 0), Limit(10, 1000))
    assert fetched.log_start_offset >= 3


async def test_sizes_follow(log, can):
    if not can.retain_promptly:
        pytest.skip("Kafka tells sizes of its segments")
    topic = await make(log)
    await put(log, topic, *[(b"a", b"x" * 1000) for _ in range(50)])
    before = (await log.describe(topic)).size_bytes
    await settled(log, topic, [49])
    assert (await log.describe(topic)).size_bytes < before / 10


@pytest.mark.parametrize(
    ("config", "value"),
    [
        ("min.cleanable.dirty.ratio", "2"),
        ("min.cleanable.dirty.ratio", "much"),
        ("min.compaction.lag.ms", "-1"),
        ("max.compaction.lag.ms", "0"),
        ("delete.retention.ms", "soon"),
    ],
)
async def test_values_that_kafka_refuses_are_refused(log, config, value):
    with pytest.raises(ValidationFailed):
        await log.create(TopicSpec(fresh_topic(), 1, EAGER | {config: value}))


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
WRITES = st.lists(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=8)), min_size=1, max_size=12), max_size=6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(writes=WRITES)
def test_a_replay_ends_where_the_whole_log_would(implementation, place, tmp_path_factory, writes):
    if not implementation.can.retain_promptly:
        pytest.skip("the broker there is tested by its makers")

    async def replay() -> None:
        folder = tmp_path_factory.mktemp("replay")
        async with implementation.open(folder, dedupe_window_secs=0) as log:
            topic = await make(log)
            offset = 0
            expected: dict[bytes, tuple[int, bytes | None]] = {}
            for batch in writes:
                await put(log, topic, *batch)
                for key, value in batch:
                    expected[key] = (offset, value)
                    offset += 1
                await asyncio.sleep(0.02)
            found = await settled(log, topic, sorted(at for at, _ in expected.values()))
            left = {r.key: (r.offset, r.value) for r in found if r.key != b"more"}
            assert left == expected

    asyncio.run(replay())
