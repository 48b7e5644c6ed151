"""Pages that are read on, and read again, on record batches as a broker sends them."""

import asyncio
import gc
from types import SimpleNamespace

import pytest
from leader import GZIP, NONE, Leader

from app.brokers.kafka.batch_heads import seal
from app.brokers.kafka.directory import Directory
from app.brokers.kafka.history import History
from app.brokers.kafka.reading import Reading
from app.brokers.kafka.stretch import AHEAD_BYTES, Piece, Stretch
from app.errors import PollFailed
from app.record import Columns, Fetched, Limit, Position

AT = Position("unit.history", 0, 0)
HUNDRED = Limit(100, 10 << 20)
NOT_LEADER = 6


def values(first: int, count: int, size: int = 100) -> list[bytes]:
    return [b"%08d" % n + b"x" * size for n in range(first, first + count)]


def numbers(fetched: Fetched) -> list[int]:
    for record in fetched.records:
        assert int(record.value[:8]) == record.offset
    return [record.offset for record in fetched.records]


@pytest.mark.parametrize("codec", [NONE, GZIP])
async def test_reading_on_in_a_large_batch_costs_the_batch_once(codec):
    leader = Leader()
    leader.write(*values(0, 1000), codec=codec)
    leader.write(*values(1000, 1000), codec=codec)
    reader = Reading(leader, Directory(leader))
    offset, seen = 0, []
    while offset < 2000:
        fetched = await reader.fetch(AT._replace(offset=offset), HUNDRED, 0)
        seen += numbers(fetched)
        offset = fetched.next_offset
    assert seen == list(range(2000))
    assert leader.sent < 2 * sum(len(data) for _, data in leader._batches)  # noqa: SLF001  # its own
    await reader.close()


async def test_pages_that_their_bytes_end_leave_nothing_out():
    leader = Leader()
    leader.write(*values(0, 300))
    reader = Reading(leader, Directory(leader))
    offset, seen = 0, []
    while offset < 300:
        fetched = await reader.fetch(AT._replace(offset=offset), Limit(1000, 7 * 108 + 50), 0)
        assert len(fetched.records) in (7, 300 % 7)
        seen += numbers(fetched)
        offset = fetched.next_offset
    assert seen == list(range(300))
    assert leader.sent < 100_000
    await reader.close()


async def test_who_reads_the_same_gets_what_another_got():
    leader = Leader()
    leader.write(*values(0, 60))
    leader.write(*values(60, 1000))
    reader = Reading(leader, Directory(leader))
    first = await reader.fetch(AT, HUNDRED, 0)
    sent = leader.sent
    assert first.shared is None
    second = await reader.fetch(AT, HUNDRED, 0)
    assert numbers(second) == numbers(first) == list(range(100))
    assert list(second.records) == list(first.records)
    assert second.records[7] == first.records[7]
    assert (second.next_offset, second.high_watermark, len(second.records)) == (100, 1060, 100)
    assert second.size == first.size == 100 * 108
    second.shared.shown = b"[...]"
    third = await reader.fetch(AT, HUNDRED, 0)
    assert third.shared.shown == b"[...]"
    assert leader.sent == sent
    assert (await reader.fetch(AT, Limit(99, 10 << 20), 0)).shared is None
    await reader.close()


async def test_a_page_that_ends_in_what_is_older_than_its_beginning_is_not_kept():
    leader = Leader()
    for first in (0, 50):
        leader.write(*values(first, 50, size=2000))
    reader = Reading(leader, Directory(leader))
    await reader.fetch(AT._replace(offset=50), HUNDRED, 0)
    answers = leader.answers
    assert numbers(await reader.fetch(AT, HUNDRED, 0)) == list(range(100))
    assert leader.answers == answers + 1  # the other half was here
    assert (await reader.fetch(AT, HUNDRED, 0)).shared is None  # else that half lived as long as this one
    await reader.close()


async def test_where_the_log_begins_and_ends_is_asked_each_time():
    leader = Leader()
    leader.write(*values(0, 500))
    reader = Reading(leader, Directory(leader))
    await reader.fetch(AT, HUNDRED, 0)
    leader.write(*values(500, 20))
    assert (await reader.fetch(AT, HUNDRED, 0)).high_watermark == 520
    on = await reader.fetch(AT._replace(offset=100), HUNDRED, 0)
    assert (on.high_watermark, on.log_start_offset) == (520, 0)
    leader.start = 50
    again = await reader.fetch(AT, HUNDRED, 0)
    assert numbers(again) == list(range(50, 150))
    assert again.log_start_offset == 50
    await reader.close()


async def test_what_was_written_since_is_there():
    leader = Leader()
    leader.write(*values(0, 50))
    reader = Reading(leader, Directory(leader))
    for count in range(50, 70):
        assert numbers(await reader.fetch(AT, HUNDRED, 0)) == list(range(count))
        leader.write(*values(count, 1))
    await reader.close()


async def test_of_a_log_that_was_cut_or_made_anew_nothing_old_is_shown():
    old, new = Leader(), Leader()
    old.write(*values(0, 500))
    new.write(*(b"new" for _ in range(150)))
    leader = SimpleNamespace(send=old.send, metadata=old.metadata)
    reader = Reading(leader, Directory(leader))
    for offset in (0, 100):
        await reader.fetch(AT._replace(offset=offset), HUNDRED, 0)
    leader.send = new.send
    for offset in (0, 100, 200):
        found = await reader.fetch(AT._replace(offset=offset), HUNDRED, 0)
        assert {record.value for record in found.records} <= {b"new"}
        assert found.high_watermark == 150
    await reader.close()


async def test_what_a_leader_answered_is_not_shown_once_another_leads():
    old, new = Leader(), Leader()
    old.write(*values(0, 500))
    new.write(*(b"new" for _ in range(600)))
    leader = SimpleNamespace(send=old.send, metadata=old.metadata)
    reader = Reading(leader, Directory(leader))
    for _ in range(3):
        await reader.fetch(AT, HUNDRED, 0)

    async def moved(node, request, **_):
        leader.send = new.send
        return SimpleNamespace(topics=[(AT.topic, [(0, NOT_LEADER, -1, -1, -1, [], -1, b"")])])

    leader.send = moved
    found = await reader.fetch(AT, HUNDRED, 0)
    assert {record.value for record in found.records} == {b"new"}
    assert found.high_watermark == 600
    await reader.close()


async def test_a_broken_batch_ends_the_page_before_it_and_is_told_behind():
    leader = Leader()
    leader.write(*values(0, 50))
    leader.write(*values(50, 50))
    leader.spoil()
    reader = Reading(leader, Directory(leader))
    for _ in range(3):
        found = await reader.fetch(AT, HUNDRED, 0)
        assert (numbers(found), found.next_offset) == (list(range(50)), 50)
        with pytest.raises(PollFailed):
            await reader.fetch(AT._replace(offset=50), HUNDRED, 0)
    await reader.close()


async def test_a_record_that_cannot_be_read_ends_the_page_before_it_and_is_told_behind():
    leader = Leader()
    leader.write(*values(0, 150))
    end, data = leader._batches[0]  # noqa: SLF001  # its own
    broken = bytearray(data)
    broken[broken.index(b"%08d" % 100) - 3] = 0x7E  # what says how long the key is
    seal(broken)
    leader._batches[0] = (end, bytes(broken))  # noqa: SLF001  # its own
    for show in (None, shown):
        reader = Reading(leader, Directory(leader))
        for _ in range(3):
            found = await reader.fetch(AT, Limit(200, 10 << 20), 0, show)
            assert (numbers(found), found.next_offset) == (list(range(100)), 100)
            with pytest.raises(PollFailed):
                await reader.fetch(AT._replace(offset=100), HUNDRED, 0, show)
        await reader.close()


async def test_an_offset_past_the_end_is_the_end():
    leader = Leader()
    leader.write(*values(0, 50))
    reader = Reading(leader, Directory(leader))
    found = await reader.fetch(AT._replace(offset=1 << 60), HUNDRED, 0)
    assert (found.records, found.next_offset, found.high_watermark) == ([], 50, 50)
    await reader.close()


async def test_nothing_is_kept_for_long():
    history = History(seconds=0.05)
    leader = Leader()
    leader.write(*values(0, 10))
    history.keep(AT, piece_of(leader))
    assert history.at(AT) is not None
    await asyncio.sleep(0.2)
    assert (len(history), history.weight) == (0, 0)


async def test_what_is_kept_is_bounded():
    history = History(most_bytes=100_000)
    for number in range(100):
        leader = Leader()
        leader.write(*values(0, 100))
        history.keep(AT._replace(partition=number), piece_of(leader))
        assert 0 < history.weight <= 100_000
    assert history.at(AT) is None
    assert history.at(AT._replace(partition=99)) is not None
    history.forget(AT.topic, 99)
    assert history.at(AT._replace(partition=99)) is None
    history.forget(AT.topic)
    assert (len(history), history.weight) == (0, 0)


async def test_of_many_who_fetch_the_same_at_once_one_answer_is_kept():
    leader = Leader()
    leader.write(*values(0, 500))
    reader = Reading(leader, Directory(leader))
    found = await asyncio.gather(*(reader.fetch(AT, HUNDRED, 0) for _ in range(10)))
    assert all(numbers(fetched) == list(range(100)) for fetched in found)
    assert len(reader.history) == 1
    assert (await reader.fetch(AT, HUNDRED, 0)).shared is not None
    await reader.close()


async def test_a_compressed_answer_is_decoded_ahead_within_bounds():
    leader = Leader()
    leader.write(*values(0, 40, size=AHEAD_BYTES // 10), codec=GZIP)
    reader = Reading(leader, Directory(leader))
    offset = 0
    while offset < 40:
        found = await reader.fetch(AT._replace(offset=offset), Limit(1, 1), 0)
        assert numbers(found) == [offset]
        offset = found.next_offset
        assert reader.history.weight < 2 * AHEAD_BYTES
    assert leader.answers <= 5
    await reader.close()


async def test_what_goes_is_free_at_once():
    leader = Leader()
    leader.write(*values(0, 500))
    reader = Reading(leader, Directory(leader))
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await reader.fetch(AT, HUNDRED, 0)
        await reader.close()
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Stretch)]
    finally:
        gc.enable()


def shown(some: Columns) -> bytes:
    return b"".join(value or b"" for value in some.values)


def piece_of(leader: Leader) -> Piece:
    return Piece(leader.end, 0, [], leader._batches[0][1])  # noqa: SLF001  # its own
