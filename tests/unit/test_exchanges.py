"""The requests of a connection, one after the other in its own task: what becomes of it when something goes wrong."""

import asyncio
import gc
import weakref
from collections import UserDict
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from app.api.answer import Answer
from app.api.call import Call
from app.api.wire.server import GatewayRunner

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def answering(body: bytes = b"{}", **how):
    """An application of which all requests are answered alike, and at once."""

    async def app(request):
        request.call, request.stopping = Call("id"), lambda: False
        answer = Answer(body, **how)
        request.answer(answer)
        return answer

    return app


@asynccontextmanager
async def connected(app, *, shutdown_timeout: float = 5):
    runner = GatewayRunner(app, new_id=lambda: "new", shutdown_timeout=shutdown_timeout)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    try:
        async with asyncio.timeout(10):
            yield runner, reader, writer
    finally:
        writer.close()
        await runner.cleanup()


async def head(reader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


async def test_requests_that_come_together_are_answered_in_their_order():
    served = []

    async def app(request):
        served.append(request.path)
        await asyncio.sleep(0.01 if request.path == "/1" else 0)
        return await answering(request.path.encode())(request)

    async with connected(app) as (_, reader, writer):
        writer.write(b"".join(GET.replace(b"/ ", b"/%d " % number) for number in range(50)))
        for number in range(50):
            await head(reader)
            path = f"/{number}".encode()
            assert await reader.readexactly(len(path)) == path
    assert served == [f"/{number}" for number in range(50)]


async def test_a_mistake_outside_of_all_middlewares_is_answered_in_the_one_shape_and_ends_the_connection(capsys):
    async def app(_request):
        raise ZeroDivisionError

    async with connected(app) as (_, reader, writer):
        writer.write(GET + GET)
        received = await reader.read(-1)
    assert received.count(b"HTTP/1.1 500 ") == 1
    assert b'"error":"internal_error"' in received
    assert b'"request_id":"new"' in received
    assert "ZeroDivisionError" in capsys.readouterr().out


async def test_a_mistake_behind_an_answer_adds_nothing_to_it():
    async def app(request):
        await answering()(request)
        raise ZeroDivisionError

    async with connected(app) as (_, reader, writer):
        writer.write(GET)
        received = await reader.read(-1)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n{}")


async def test_what_the_application_does_not_write_is_written_behind_it():
    async def app(request):
        request.call, request.stopping = Call("id"), lambda: False
        return Answer(b"[]")

    async with connected(app) as (_, reader, writer):
        writer.write(GET + GET)
        for _ in range(2):
            await head(reader)
            assert await reader.readexactly(2) == b"[]"


async def test_a_body_that_nobody_reads_is_taken_all_the_same_and_the_next_request_served():
    async with connected(answering()) as (_, reader, writer):
        writer.write(POST % 1_000_000 + b"x" * 500_000)
        await head(reader)
        assert await reader.readexactly(2) == b"{}"
        writer.write(b"x" * 500_000 + GET)
        assert (await head(reader)).startswith("HTTP/1.1 200 OK")


async def test_one_that_never_ends_is_left_after_a_while():
    async with connected(answering()) as (_, reader, writer):
        writer.write(POST % 1_000_000 + b"x")
        assert (await reader.read(-1)).endswith(b"{}")


async def test_an_idle_connection_keeps_nothing_of_its_last_request():
    seen = []

    async def app(request):
        request.match_info = UserDict()
        seen.append(weakref.ref(request.match_info))
        return await answering()(request)

    async with connected(app) as (_, reader, writer):
        writer.write(GET)
        await head(reader)
        await reader.readexactly(2)
        await asyncio.sleep(0.05)
        gc.collect()
        assert [ref() for ref in seen] == [None]


async def test_a_stop_waits_for_the_answer_and_ends_idle_connections_at_once():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(request):
        begun.set()
        await go_on.wait()
        return await answering()(request)

    async with connected(app) as (runner, reader, writer):
        idle = await asyncio.open_connection(*runner.addresses[0])
        writer.write(GET)
        await begun.wait()
        stopping = asyncio.create_task(runner.cleanup())
        assert await idle[0].read(-1) == b""
        go_on.set()
        assert (await reader.read(-1)).endswith(b"{}")
        await stopping
        idle[1].close()


async def test_a_stop_ends_a_request_that_does_not():
    cancelled = asyncio.Event()

    async def app(_request):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with connected(app, shutdown_timeout=0.1) as (runner, reader, writer):
        writer.write(GET)
        await asyncio.sleep(0.05)
        await runner.cleanup()
        assert await reader.read(-1) == b""
        await cancelled.wait()


@pytest.mark.parametrize(
    ("request_line", "first", "connection"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "close"),
        (b"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK", "keep-alive"),
    ],
)
async def test_an_answer_says_whether_another_may_follow(request_line, first, connection):
    async with connected(answering()) as (_, reader, writer):
        writer.write(request_line)
        lines = (await head(reader)).split("\r\n")
        assert lines[0] == first
        assert [line for line in lines if line.startswith("Connection")] == (
            [f"Connection: {connection}"] if connection else []
        )


async def test_what_has_no_body_says_so_as_rfc_9110_has_it():
    async with connected(answering(status=204)) as (_, reader, writer):
        writer.write(GET)
        assert "Content-Length" not in await head(reader)
    async with connected(answering(b"")) as (_, reader, writer):
        writer.write(GET)
        empty = await head(reader)
        assert "Content-Length: 0" in empty
        assert "\nContent-Type" not in empty
    async with connected(answering(b"{}")) as (_, reader, writer):
        writer.write(GET.replace(b"GET", b"HEAD") + GET)
        assert "Content-Length: 2" in await head(reader)
        assert (await head(reader)).startswith("HTTP/1.1 200 OK")


async def test_a_header_can_not_smuggle_another_one_in():
    async with connected(answering(headers={"Location": "/a\r\nSet-Cookie: x"})) as (_, reader, writer):
        writer.write(GET)
        received = await reader.read(-1)
    assert received.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in received
