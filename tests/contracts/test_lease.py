"""One process of several writes the index, and what is behind its time writes nothing."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from databases import open_database, row
from sqlalchemy import text
from support import publish, record

from app.brokers.memory import MemoryBroker
from app.event_index import EventQuery
from app.read_models.events import EventTable, Keep
from app.read_models.lease import Lease, LeaseLost
from app.read_models.progress import InDatabase, Progress
from app.read_models.projector import Projector
from app.read_models.source import Source
from app.topic import TopicSpec

TOPIC = "s.t"
AT = {(TOPIC, 0): Progress(1, 1)}


@pytest.fixture
def url(postgres):
    return postgres.new_database()


def table(database, name):
    return EventTable(database, Keep(0, 0), Lease(name))


def time_is_over(database):
    with database.begin() as connection:
        connection.execute(text("UPDATE event_index_lease SET until = 1"))


def test_one_has_it_until_it_gives_it_back(url):
    with open_database(url) as one, open_database(url) as two:
        first, second = table(one, "first"), table(two, "second")
        assert (first.lead(), second.lead()) == (True, False)
        assert first.lead()  # after a mishap it asks again
        first.apply([row()], AT, 0)
        assert second.lead() is False
        first.resign()
        assert second.lead() is True
        with pytest.raises(LeaseLost):
            first.apply([row()], AT, 0)
        assert len(second.find(EventQuery(), None)) == 1


def test_who_slept_over_it_writes_nothing(url):
    with open_database(url) as one, open_database(url) as two:
        first, second = table(one, "first"), table(two, "second")
        assert first.lead()
        time_is_over(one)
        assert second.lead()
        for late in (partial(first.apply, [row()], AT, 0), partial(first.forget, TOPIC)):
            with pytest.raises(LeaseLost):
                late()
        first.resign()
        second.apply([row()], AT, 0)
        assert second.positions() == AT


def test_a_lease_past_its_time_that_nobody_wanted_goes_on(url):
    with open_database(url) as database:
        only = table(database, "only")
        assert only.lead()
        time_is_over(database)
        only.apply([row()], AT, 0)
        with database.read() as connection:
            assert connection.execute(text("SELECT until > 1, holder FROM event_index_lease")).one() == (True, "only")


def test_of_a_holder_whose_connection_is_gone_nobody_waits_for_the_end(url):
    with open_database(url) as two:
        with open_database(url) as one:
            assert table(one, "first").lead()
            assert not table(two, "second").lead()
        until = time.monotonic() + 30
        while not table(two, "second").lead():
            assert time.monotonic() < until


@asynccontextmanager
async def process(url, log, name):
    """What a gateway has of the index; `killed` ends it without giving anything back."""
    with ThreadPoolExecutor(1) as writer, open_database(url) as database:
        its = table(database, name)
        projector = Projector(Source(log, [TOPIC]), its, writer, clock=time.time)
        await projector.start(30)
        progress = InDatabase(partial(asyncio.get_running_loop().run_in_executor, None, its.positions))
        try:
            yield its, progress, projector
        finally:
            await projector.stop()


async def test_what_one_follows_the_other_sees_and_goes_on_with(url):
    log = MemoryBroker(clock=time.time, retention_interval=30, dedupe_window_secs=0, dedupe_max_ids=1)
    await log.open()
    await log.create(TopicSpec(TOPIC, 2, {}))
    ids = [str(uuid.uuid4()) for _ in range(60)]

    async def write(some):
        events = [msgspec.json.encode({"id": event_id, "event_type": "t"}) for event_id in some]
        await publish(log, TOPIC, *(record(value, partition=n % 2) for n, value in enumerate(events)))
        topic = await log.describe(TOPIC)
        return {(TOPIC, p.partition): p.high_watermark for p in topic.partitions}

    async with process(url, log, "second") as (second, behind, _):
        marks = await write(ids[:20])
        assert await behind.caught_up(marks, 60) == 0
        async with process(url, log, "first") as (first, ahead, idle):
            marks = await write(ids[20:40])
            for progress, its in ((ahead, first), (behind, second)):
                assert await progress.caught_up(marks, 60) == 0
                assert {found.place.id for found in its.find(EventQuery(), None)} == set(ids[:40])
            assert idle.lag == 0
            second.resign()
            marks = await write(ids[40:])
            assert await ahead.caught_up(marks, 60) == 0
            assert len(first.find(EventQuery(), None)) == len(ids)
    await log.close()
