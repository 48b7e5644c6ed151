"""What holds on every request: ids, the error shape, types, sizes, encodings, deadlines (API 1)."""

import asyncio
import gzip
import json
import uuid
import zlib

import pytest
from samples import generic

from app.api import zstd
from app.record import Limit, Position

BODY = json.dumps({"event": generic()}).encode()


def compressed(encoding: str, data: bytes) -> bytes:
    return {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}[encoding](data)


@pytest.mark.parametrize("given", ["abc", "A.b:c_d-9", "x" * 128])
async def test_a_sane_request_id_is_kept(client, given):
    answer = await client.get("/health", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "ü", "a/b", "a,b"])
async def test_any_other_is_replaced(client, given):
    answer = await client.get("/health", headers={} if given is None else {"X-Request-Id": given})
    assert uuid.UUID(answer.headers["X-Request-Id"]).version == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200), ("GET", "/ready", 200), ("GET", "/metrics", 200), ("GET", "/messages", 200),
        ("GET", "/nowhere", 404), ("GET", "/messages/", 404), ("DELETE", "/messages", 405), ("POST", "/messages", 400),
        ("GET", "/messages?count=0", 400), ("GET", "/streams/a/topics/b/messages", 404), ("PROPFIND", "/messages", 405),
    ],
)  # fmt: skip
async def test_every_answer_has_a_request_id_and_every_error_the_one_shape(client, method, path, status):
    answer = await client(method, path, json={}, headers={"X-Request-Id": "id-1"})
    assert answer.status == status
    assert answer.headers["X-Request-Id"] == "id-1"
    assert answer.headers["Server"] == "sluice"
    if status >= 400:
        assert set(answer.body) - {"details", "outcome"} == {"error", "message", "request_id"}
        assert answer.body["request_id"] == "id-1"
        assert ("outcome" in answer.body) == (method == "POST")


async def test_the_request_id_stands_in_the_records_header(client):
    await client("POST", "/messages", json={"event": generic(), "partition_id": 0}, headers={"X-Request-Id": "rid"})
    fetched = await client.gateway.log.fetch(Position("sample-stream.events", 0, 0), Limit(1, 1000))
    headers = dict(fetched.records[0].headers)
    assert headers["request-id"] == b"rid"
    assert headers["event-type"] == b"test.event"
    assert headers["content-type"] == b"application/json"


async def test_a_method_that_a_path_does_not_take_is_told_which_it_does(client):
    assert (await client("PUT", "/messages")).headers["Allow"] == "GET,HEAD,POST"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", None]
)
async def test_json_is_taken_by_its_name_or_by_none(client, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    skip = [] if content_type else ["Content-Type"]
    answer = await client("POST", "/messages", data=BODY, headers=headers, skip_auto_headers=skip)
    assert answer.status == 201


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/x-ndjson", "application/json; charset=latin-1"],
)
async def test_other_content_types_are_not(client, content_type):
    answer = await client.post_bytes("/messages", BODY, content_type)
    assert (answer.status, answer.body["error"], answer.body["outcome"]) == (
        415,
        "unsupported_media_type",
        "not_written",
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "GZIP"])
async def test_compressed_bodies_are_taken(client, encoding):
    answer = await client.post_bytes("/messages", compressed(encoding.lower(), BODY), Content_Encoding=encoding)
    assert answer.status == 201


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("harm", ["cut", "noise", "tail"])
async def test_corrupt_compression_is_a_bad_request(client, encoding, harm):
    good = compressed(encoding, BODY)
    data = {"cut": good[:-3], "noise": b"\x00" * 40, "tail": good + b"xyz"}[harm]
    answer = await client.post_bytes("/messages", data, Content_Encoding=encoding)
    assert (answer.status, answer.body["error"], answer.body["outcome"]) == (400, "bad_request", "not_written")


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip"])
async def test_other_encodings_are_refused(client, encoding):
    answer = await client.post_bytes("/messages", BODY, Content_Encoding=encoding)
    assert (answer.status, answer.body["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
async def test_a_bomb_stops_at_the_limit(client, encoding):
    bomb = compressed(encoding, b" " * 50_000_000)
    answer = await client.post_bytes("/messages", bomb, Content_Encoding=encoding)
    assert (answer.status, answer.body["error"]) == (413, "payload_too_large")
    assert client.gateway.budget.used == 0


async def test_too_large_a_body_is_refused_before_it_is_read(start):
    async with start(MAX_REQUEST_BODY_SIZE="1000") as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
        writer.write(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        head = await reader.readuntil(b"\r\n")
        assert head == b"HTTP/1.1 413 Request Entity Too Large\r\n"
        writer.close()
        await writer.wait_closed()


async def test_expect_100_continue_is_answered_when_the_body_is_welcome(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    writer.write(
        b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(BODY)
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 201 Created\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_chunked_body_is_cut_off_at_the_limit(start):
    async def chunks():
        for _ in range(10):
            yield b" " * 200

    async with start(MAX_REQUEST_BODY_SIZE="1000") as client:
        answer = await client("POST", "/messages", data=chunks(), headers={"Content-Type": "application/json"})
        assert (answer.status, answer.body["error"]) == (413, "payload_too_large")


async def test_a_body_that_drips_is_given_up(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    writer.write(b"POST /messages HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: 300\r\nContent-Length: 100\r\n\r\n{")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"408 Request Timeout" in answer
    assert b'"request_timeout"' in answer
    writer.close()
    await writer.wait_closed()


async def test_bodies_held_at_once_are_bounded(start):
    async with start(MAX_REQUEST_BODY_SIZE="1000", MAX_INFLIGHT_BYTES="1500") as client:
        port = int(client.url.rpartition(":")[2])
        _, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        await wait_until(lambda: client.gateway.budget.used == 1000)
        refused = await client.post_bytes("/messages", b" " * 600)
        assert (refused.status, refused.body["error"], refused.body["outcome"]) == (503, "overloaded", "not_written")
        assert int(refused.headers["Retry-After"]) >= 1
        first.close()
        await first.wait_closed()
        await wait_until(lambda: client.gateway.budget.used == 0)
        assert (await client.post_bytes("/messages", BODY + b" " * 500)).status == 201


async def wait_until(condition, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("asked", "effective"), [("500", "500"), ("100", "100"), ("30000", "30000"), ("300000", "30000")]
)
async def test_a_client_may_shorten_its_deadline_and_is_told(client, asked, effective):
    answer = await client.get("/messages", headers={"X-Request-Timeout": asked})
    assert (answer.status, answer.headers["X-Effective-Timeout"]) == (200, effective)


@pytest.mark.parametrize("asked", ["99", "300001", "soon", "-5", "1e3", "٣٣٣"])
async def test_a_deadline_that_makes_no_sense_is_ignored(client, asked):
    answer = await client.get("/messages", headers={"X-Request-Timeout": asked})
    assert (answer.status, answer.headers["X-Effective-Timeout"]) == (200, "30000")


@pytest.mark.parametrize("accept", ["gzip", "deflate", "zstd", "gzip;q=0.5, zstd;q=0.9", "*"])
async def test_large_answers_are_compressed_for_those_who_ask(client, accept):
    events = [generic("x" * 100) for _ in range(20)]
    sent = await client.post("/messages/batch", {"events": events})
    params = {"partition_id": str(sent.body[0]["partition"]), "count": "100"}
    plain = await client.get("/messages", params=params, headers={"Accept-Encoding": "identity"})
    async with client.session.get(
        f"{client.url}/messages", params=params, headers={"Accept-Encoding": accept}
    ) as response:
        assert response.headers["Content-Encoding"] in ("gzip", "deflate", "zstd")
        assert response.headers["Vary"] == "Accept-Encoding"
        assert await response.json() == plain.body
    assert "Content-Encoding" not in plain.headers


async def test_small_answers_are_not(client):
    async with client.session.get(f"{client.url}/health", headers={"Accept-Encoding": "gzip"}) as response:
        assert "Content-Encoding" not in response.headers


async def test_a_client_that_leaves_halfway_disturbs_nobody(client):
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
        writer.write(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        writer.transport.abort()
    await wait_until(lambda: client.gateway.budget.used == 0)
    assert (await client.post("/messages", {"event": generic()})).status == 201
