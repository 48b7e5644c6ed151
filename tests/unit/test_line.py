"""When a client is too slow: told by what it takes, of a connection that is none."""

import asyncio

import pytest

from app.api.feeds import line as lines
from app.api.feeds.line import Line
from app.errors import Overloaded


class Wire:
    """A transport with so much unsent, and a socket of which the system tells nothing."""

    def __init__(self) -> None:
        self.unsent = 1000
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def get_extra_info(self, name: str):
        return self

    def fileno(self) -> int:
        raise OSError

    def abort(self) -> None:
        self.aborted = True


class Request:
    """What a line is made of: a protocol that is paused, a writer that drains when told."""

    def __init__(self) -> None:
        self.protocol = self
        self.transport = Wire()
        self.writer = self
        self.writing_paused = True
        self.drained = asyncio.Event()

    async def drain(self) -> None:
        await self.drained.wait()


def never() -> "asyncio.Future[Exception]":
    return asyncio.get_running_loop().create_future()


@pytest.fixture
async def request_():
    made = Request()
    yield made
    made.drained.set()
    await asyncio.sleep(0)


async def test_who_takes_nothing_is_cut_when_too_much_waits(request_):
    began = asyncio.get_running_loop().time()
    with pytest.raises(Overloaded):
        await Line(request_).clear(never(), lambda: True)
    assert asyncio.get_running_loop().time() - began >= lines.SLOW_SECONDS * 0.9


async def test_who_takes_a_little_now_and_then_is_not(request_):
    async def take() -> None:
        for _ in range(6):
            await asyncio.sleep(1)
            request_.transport.unsent -= 10
        request_.drained.set()

    taking = asyncio.ensure_future(take())
    await Line(request_).clear(never(), lambda: True)
    await taking


async def test_what_is_over_waits_for_nobody(request_):
    over = never()
    over.set_result(Overloaded("over"))
    await Line(request_).clear(over, lambda: False)


async def test_a_line_that_is_free_waits_for_nothing(request_):
    request_.writing_paused = False
    await Line(request_).clear(never(), lambda: True)
