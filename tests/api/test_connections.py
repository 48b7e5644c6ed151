"""What a connection may take: their number, the size of a head, and its time."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from app.api.wire.connection import Bounds

HEAD = b"GET /stats HTTP/1.1\r\nHost: a\r\n"
LARGE = HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(9)) + b"\r\n"


@asynccontextmanager
async def connection(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()


async def answer(reader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def refused(reader, answered=None) -> tuple[int, str, dict[str, str]]:
    """The one answer behind which the connection ends."""
    status, headers, body = answered or await answer(reader)
    said = json.loads(body)
    assert said["request_id"] == headers["x-request-id"]
    assert await reader.read() == b""
    return status, said["error"], headers


async def counted(client, reason: str) -> bool:
    return f'sluice_refusals_total{{key="_unknown",reason="{reason}"}}'.encode() in (await client.get("/metrics")).body


async def test_one_connection_too_many_is_told_so_and_the_next_gets_in_when_one_ends(start):
    async with start(MAX_CONNECTIONS="3") as client:
        assert (await client.get("/stats")).status == 200  # this one stays: keep-alive
        async with connection(client) as (reader, writer), connection(client):
            async with connection(client) as (late, late_writer):
                late_writer.write(HEAD + b"\r\n")
                status, code, headers = await refused(late)
                assert (status, code, headers["retry-after"]) == (503, "overloaded", "1")
            writer.write(HEAD + b"\r\n")
            assert (await answer(reader))[0] == 200
        assert await counted(client, "too_many_connections")
        async with connection(client) as (reader, writer):
            writer.write(HEAD + b"\r\n")
            assert (await answer(reader))[0] == 200


async def test_those_far_beyond_are_closed_without_a_word(start):
    async with start(MAX_CONNECTIONS="1") as client:
        opened = [await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2])) for _ in range(30)]
        async with asyncio.timeout(20):
            received = [await reader.read() for reader, _ in opened[1:]]
        assert 0 < sum(map(bool, received)) < 20
        assert received[-1] == b""
        for _, writer in opened:
            writer.close()


@pytest.mark.parametrize("piece", [len(LARGE), 1000])
async def test_a_head_that_is_too_large_is_refused(client, piece):
    async with connection(client) as (reader, writer):
        for start in range(0, len(LARGE), piece):
            writer.write(LARGE[start : start + piece])
            await asyncio.sleep(0)
        assert (await refused(reader))[:2] == (400, "bad_request")
    assert await counted(client, "large_head")


async def test_a_head_that_grows_too_large_is_refused_before_it_ends(client):
    async with connection(client) as (reader, writer):
        for start in range(0, len(LARGE) - 2, 8000):
            writer.write(LARGE[start : min(start + 8000, len(LARGE) - 2)])
            await asyncio.sleep(0.01)
        assert (await refused(reader))[:2] == (400, "bad_request")


async def test_whoever_is_refused_takes_no_place(start):
    """They linger for two seconds, so that their clients can read the answer."""
    async with start(MAX_CONNECTIONS="2") as client:
        assert (await client.get("/stats")).status == 200  # this one stays: keep-alive
        async with connection(client) as (_, writer), connection(client) as (late, _), connection(client) as (later, _):
            for reader in (late, later):
                assert (await answer(reader))[0] == 503
            writer.close()
            await writer.wait_closed()
            async with connection(client) as (reader, next_writer):
                next_writer.write(HEAD + b"\r\n")
                assert (await answer(reader))[0] == 200


@pytest.mark.parametrize("piece", [50_000, 300_000])
async def test_a_large_body_is_no_large_head(client, piece):
    body = b'{"event":{"event_type":"a","payload":{"type":"Generic","data":"%s"}}}' % (b"a" * 250_000)
    sent = b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with connection(client) as (reader, writer):
        for _ in range(3):
            for start in range(0, len(sent), piece):
                writer.write(sent[start : start + piece])
                await asyncio.sleep(0.01)
            assert (await answer(reader))[0] == 201


@pytest.mark.parametrize("before", [0, 2], ids=["the first", "a later one"])
async def test_a_head_that_drips_is_given_up(start, before):
    async with start(bounds=Bounds(head_seconds=0.3)) as client, connection(client) as (reader, writer):
        for _ in range(before):
            writer.write(HEAD + b"\r\n")
            assert (await answer(reader))[0] == 200
        given_up = asyncio.create_task(answer(reader))
        for byte in HEAD * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if given_up.done():
                break
        assert (await refused(reader, await given_up))[:2] == (408, "request_timeout")
        assert await counted(client, "slow_head")


async def test_an_idle_connection_is_no_slow_head(start):
    async with start(bounds=Bounds(head_seconds=0.1)) as client, connection(client) as (reader, writer):
        for _ in range(2):
            await asyncio.sleep(0.3)
            writer.write(HEAD + b"\r\n")
            assert (await answer(reader))[0] == 200


async def test_many_requests_at_once_are_no_large_head(start):
    async with start(bounds=Bounds(head_seconds=0.2)) as client, connection(client) as (reader, writer):
        writer.write((HEAD + b"X: %s\r\n\r\n" % (b"a" * 500)) * 2000)
        for _ in range(2000):
            assert (await answer(reader))[0] == 200


async def test_requests_in_one_packet_are_all_answered_in_order_be_it_behind_a_body_that_came_late(client):
    async with connection(client) as (reader, writer):
        writer.write(b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"{}" + b"".join(HEAD + b"X-Request-Id: %d\r\n\r\n" % number for number in range(100)))
        assert (await answer(reader))[0] == 400
        answers = [await answer(reader) for _ in range(100)]
        assert [headers["x-request-id"] for _, headers, _ in answers] == [str(number) for number in range(100)]


async def test_an_open_feed_keeps_its_place_whatever_follows_on_its_connection(start):
    bounds = Bounds(2, head_seconds=0.2)
    async with start(bounds=bounds) as client, connection(client) as (feed, writer):
        writer.write(b"GET /streams/sample-stream/topics/events/tail HTTP/1.1\r\nHost: a\r\n\r\n")
        await feed.readuntil(b": hello")
        writer.write(b"G")  # the beginning of a head that never comes
        await asyncio.sleep(0.6)
        assert await counted(client, "slow_head")
        async with connection(client) as (late, late_writer):
            late_writer.write(HEAD + b"\r\n")
            assert (await refused(late))[:2] == (503, "overloaded")
