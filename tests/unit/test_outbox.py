"""What is written in one round of the event loop leaves at its end, in order, and never too late."""

import asyncio
from collections.abc import Iterable

import pytest

from app.api.wire.connection import Bounds
from app.api.wire.outbox import AT_ONCE, HeldTransport, Outbox
from app.api.wire.server import Server


class System(asyncio.Transport):
    """What reaches the system, in `sent`, which several may share."""

    def __init__(self, sent: list[bytes]) -> None:
        super().__init__()
        self.sent = sent
        self.closing = self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 1000


def held(system: System, outbox: Outbox | None = None) -> HeldTransport:
    return HeldTransport(system, outbox or Outbox())


async def nobody(request):
    raise NotImplementedError


@pytest.fixture
def sent():
    return []


async def test_the_answers_of_a_round_leave_together_each_as_it_was_written(sent):
    outbox = Outbox()
    one, other = (held(System(sent), outbox) for _ in range(2))
    one.write(b"a")
    other.write(b"1")
    one.writelines([b"b", b"c"])
    assert (sent, one.get_write_buffer_size()) == ([], 1003)
    await asyncio.sleep(0)
    assert (sent, one.get_write_buffer_size()) == ([b"abc", b"1"], 1000)
    one.write(b"next")
    await asyncio.sleep(0)
    assert sent == [b"abc", b"1", b"next"]


async def test_what_is_large_leaves_at_once_behind_what_waits(sent):
    transport = held(System(sent))
    transport.write(b"head")
    transport.write(b"x" * AT_ONCE)
    assert sent == [b"head" + b"x" * AT_ONCE]
    transport.write(b"tail")
    await asyncio.sleep(0)
    assert sent[1:] == [b"tail"]


async def test_a_writer_that_never_waits_can_not_heap_it_up(sent):
    transport = held(System(sent))
    for _ in range(1000):
        transport.write(b"x" * 1000)
        assert transport.get_write_buffer_size() < 1000 + AT_ONCE
    assert sum(map(len, sent)) > 900_000


async def test_send_and_close_wait_for_nothing(sent):
    transport = held(system := System(sent))
    transport.write(b"now")
    transport.send()
    assert sent == [b"now"]
    transport.write(b"last")
    transport.close()
    assert (sent, system.closing) == ([b"now", b"last"], True)
    await asyncio.sleep(0)
    assert sent == [b"now", b"last"]


async def test_what_is_cut_off_sends_nothing_more(sent):
    transport = held(system := System(sent))
    transport.write(b"never")
    transport.abort()
    await asyncio.sleep(0)
    assert (sent, system.aborted) == ([], True)


async def test_a_connection_lost_in_the_round_does_not_keep_the_others_from_their_answers(sent):
    outbox = Outbox()
    lost, other = held(system := System(sent), outbox), held(System(sent), outbox)
    lost.write(b"lost")
    other.write(b"there")
    system.closing = True
    await asyncio.sleep(0)
    assert sent == [b"there"]


class Broken(System):
    def writelines(self, _list_of_data: Iterable[bytes]) -> None:
        raise ZeroDivisionError


async def test_nor_does_one_that_fails(sent):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    outbox = Outbox()
    for system in (Broken(sent), System(sent)):
        held(system, outbox).write(b"there")
    await asyncio.sleep(0.01)
    assert (sent, len(told)) == ([b"there"], 1)


async def test_a_client_that_has_no_more_to_say_still_gets_what_is_written(sent):
    server = Server(nobody, lambda: "id", Bounds(), lambda _: None)
    connection = server()
    connection.connection_made(System(sent))
    connection.transport.write(b"answer")
    connection.eof_received()
    assert sent == [b"answer"]
    connection.connection_lost(None)
