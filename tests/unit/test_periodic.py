"""What is done beside the requests goes on, whatever one round fails of."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.errors import Disconnected
from app.gateway.periodic import Periodic

PATIENCE = 30


@pytest.mark.parametrize(("failure", "logged"), [(Disconnected("away"), 0), (TimeoutError(), 0), (KeyError("x"), 1)])
async def test_a_round_that_fails_is_followed_by_the_next(failure, logged):
    rounds = 0
    again = asyncio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise failure
        again.set()

    periodic = Periodic(work, interval=0.001, name="work")
    with capture_logs() as logs:
        periodic.start()
        async with asyncio.timeout(PATIENCE):
            await again.wait()
        await periodic.stop()
    assert len(logs) == logged
