"""What `Broker.fetch` promises."""

import asyncio

import pytest
from support import publish, record

from app.errors import NotFound
from app.record import Columns, Limit, Position


async def test_an_empty_partition_answers_at_once_with_nothing(log, topic):
    fetched = await log.fetch(Position(topic, 0, 0), Limit(10, 1000))
    assert (fetched.records, fetched.next_offset, fetched.high_watermark, fetched.log_start_offset) == ([], 0, 0, 0)


async def test_pages_join_without_gap_or_repeat(log, topic):
    await publish(log, topic, *(record(b"%d" % n) for n in range(25)))
    first = await log.fetch(Position(topic, 0, 0), Limit(10, 1 << 20))
    second = await log.fetch(Position(topic, 0, first.next_offset), Limit(10, 1 << 20))
    third = await log.fetch(Position(topic, 0, second.next_offset), Limit(10, 1 << 20))
    assert [r.offset for f in (first, second, third) for r in f.records] == list(range(25))
    assert [f.next_offset for f in (first, second, third)] == [10, 20, 25]


async def test_a_read_may_start_in_the_middle_of_a_batch(log, topic):
    await publish(log, topic, *(record(b"%d" % n) for n in range(10)))
    fetched = await log.fetch(Position(topic, 0, 7), Limit(2, 1 << 20))
    assert [r.offset for r in fetched.records] == [7, 8]


async def test_offsets_past_the_end_are_clamped(log, topic):
    await publish(log, topic, record(), record())
    fetched = await log.fetch(Position(topic, 0, 2**62), Limit(10, 1000))
    assert (fetched.records, fetched.next_offset, fetched.high_watermark) == ([], 2, 2)


async def test_max_bytes_ends_a_page_but_never_hides_its_first_record(log, topic):
    await publish(log, topic, *(record(b"x" * 600) for _ in range(3)))
    small = await log.fetch(Position(topic, 0, 0), Limit(10, 100))
    assert [r.offset for r in small.records] == [0]
    two = await log.fetch(Position(topic, 0, 0), Limit(10, 1300))
    assert [r.offset for r in two.records] == [0, 1]
    assert two.next_offset == 2


async def test_a_page_is_filled_to_its_limit_whatever_keys_and_headers_weigh(log, topic):
    heavy = (("note", b"n" * 2000),) * 30
    await publish(log, topic, *(record(b"v" * 100, key=b"k" * 200, headers=heavy) for _ in range(60)))
    page = await log.fetch(Position(topic, 0, 0), Limit(50, 1 << 20))
    assert [r.offset for r in page.records] == list(range(50))
    assert page.next_offset == 50


async def test_a_waiting_read_returns_when_something_is_written(log, topic):
    waiting = asyncio.ensure_future(log.fetch(Position(topic, 1, 0), Limit(10, 1000), wait=20))
    await asyncio.sleep(0.1)
    await publish(log, topic, record(b"late", partition=1))
    fetched = await asyncio.wait_for(waiting, 10)
    assert [r.value for r in fetched.records] == [b"late"]


async def test_a_waiting_read_ends_empty_when_its_time_is_up(log, topic):
    fetched = await asyncio.wait_for(log.fetch(Position(topic, 1, 0), Limit(10, 1000), wait=0.2), 10)
    assert fetched.records == []


async def test_a_write_to_another_partition_does_not_end_the_wait(log, topic):
    waiting = asyncio.ensure_future(log.fetch(Position(topic, 1, 0), Limit(10, 1000), wait=20))
    await publish(log, topic, record(partition=0))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    await publish(log, topic, record(partition=1))
    assert (await asyncio.wait_for(waiting, 10)).records


async def test_a_cancelled_read_disturbs_nobody(log, topic):
    waiting = [asyncio.ensure_future(log.fetch(Position(topic, 0, 0), Limit(10, 1000), wait=20)) for _ in range(5)]
    await asyncio.sleep(0.1)
    waiting[0].cancel()
    waiting[3].cancel()
    await publish(log, topic, record())
    for task in (waiting[1], waiting[2], waiting[4]):
        assert len((await asyncio.wait_for(task, 10)).records) == 1


async def test_what_was_acknowledged_is_readable_at_once(log, topic):
    for n in range(50):
        [outcome] = await publish(log, topic, record(b"%d" % n))
        fetched = await log.fetch(Position(topic, 0, outcome.offset), Limit(1, 1000))
        assert fetched.records[0].value == b"%d" % n
        assert fetched.high_watermark == n + 1


async def test_unknown_topics_and_partitions_are_not_found(log, topic):
    with pytest.raises(NotFound):
        await log.fetch(Position("contract.absent", 0, 0), Limit(1, 1))
    with pytest.raises(NotFound, match="3"):
        await log.fetch(Position(topic, 3, 0), Limit(1, 1))
    assert "contract.absent" not in await log.topics()


async def test_records_are_shown_in_order_a_few_at_a_time(log, topic):
    def show(some: Columns) -> bytes:
        return b"".join([b"%d=%b," % pair for pair in zip(some.offsets, some.values, strict=True)])

    at = Position(topic, 0, 0)
    assert list((await log.fetch(at, Limit(10, 1 << 20), 0, show)).shared.shown) == []
    await publish(log, topic, *(record(b"x" * 90) for _ in range(300)))
    for limit in (Limit(1000, 1 << 20), Limit(200, 1 << 20), Limit(1000, 150 * 90), Limit(1, 1)):
        plain = await log.fetch(at, limit)
        for _ in range(3):  # at first, and as others read it
            shown = await log.fetch(at, limit, 0, show)
            assert b"".join(shown.shared.shown) == b"".join([b"%d=%b," % (r.offset, r.value) for r in plain.records])
            assert (list(shown.records), shown.size) == (list(plain.records), plain.size)
            assert shown.next_offset == plain.next_offset


async def test_records_that_come_are_shown_to_all_who_wait(log, topic):
    def show(some: Columns) -> bytes:
        return b",".join(value or b"" for value in some.values)

    at = Position(topic, 0, 0)
    waiting = [asyncio.ensure_future(log.fetch(at, Limit(10, 1000), 10, show)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await publish(log, topic, record(b"a"))
    assert [b"".join((await found).shared.shown) for found in waiting] == [b"a"] * 3
