"""The writer thread when its own code fails."""

import asyncio
import time

import pytest

from app.brokers.sqlite.catalog import Catalog
from app.brokers.sqlite.inbox import Job
from app.brokers.sqlite.jobs import ping
from app.brokers.sqlite.writer import Writer
from app.errors import Disconnected


async def test_a_writer_that_dies_says_so_to_all_who_wait_and_who_come(tmp_path):
    loop = asyncio.get_running_loop()
    writer = Writer(tmp_path / "log.db", Catalog(0, 0), time.time, lambda _: None)
    writer.open()
    writer.inbox.put("what the writer can't understand")
    waiting = Job(loop.create_future(), ping(), alone=True)
    writer.inbox.put(waiting)
    writer.start(loop)
    assert isinstance(await asyncio.wait_for(waiting.answer, 10), Disconnected)
    with pytest.raises(Disconnected):
        writer.inbox.put(Job(loop.create_future(), ping(), alone=True))
    await asyncio.to_thread(writer.close)
