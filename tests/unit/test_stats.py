"""How old the totals are said to be, on a clock of the test's own."""

import time

import pytest

from app.brokers.memory import MemoryBroker
from app.deadline import Deadlines
from app.errors import Disconnected
from app.gateway.catalog import Catalog, Defaults
from app.gateway.stats import Stats
from app.names import TopicName

INTERVAL = 5


class Away(MemoryBroker):
    """Out of reach when told so."""

    away = False

    async def describe_many(self, topics):
        if self.away:
            raise Disconnected("away")
        return await super().describe_many(topics)


async def test_figures_outlive_the_log_and_are_said_to_be_stale():
    now = 100.0
    log = Away(clock=time.time, dedupe_window_secs=0, dedupe_max_ids=1)
    defaults = Defaults(TopicName("s", "t"), partitions=3, retention_ms=-1)
    catalog = Catalog(log, clock=time.time, monotonic=lambda: now, defaults=defaults)
    deadlines = Deadlines()
    deadline = deadlines.start(30)
    await catalog.start(deadline)
    deadlines.end(deadline)
    stats = Stats(catalog, interval=INTERVAL, monotonic=lambda: now)
    assert stats.snapshot() == (None, None, True, 0)
    await stats.read()
    read = stats.snapshot()
    assert (read.totals.topics, read.age, read.stale) == (1, 0, False)

    log.away = True
    for passed, stale in ((INTERVAL, False), (INTERVAL, False), (0.5, True)):
        now += passed
        with pytest.raises(Disconnected):
            await stats.read()
        assert stats.snapshot() == (read.totals, now - 100, stale, now - 100)

    log.away = False
    await stats.read()
    assert stats.snapshot() == (read.totals, 0, False, now - 100)
