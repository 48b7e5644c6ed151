"""GET …/tail as a WebSocket (API 4), and whose pages may open one (API 1)."""

import asyncio
import json

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from listeners import TAIL, listening, socket
from samples import CANARY, with_id
from yarl import URL

APP = "https://app.example.com"


async def post(client, *numbers: int, partition: int = 0) -> list[str]:
    messages = [{"event": with_id(n), "partition_id": partition} for n in numbers]
    sent = await client.post("/messages/batch", {"messages": messages})
    assert sent.status == 201
    return [item["event_id"] for item in sent.body]


async def test_a_message_is_a_text_frame_with_what_sse_has_as_data(any_client):
    tail = any_client.topic + "/tail"
    async with socket(any_client, tail) as opened, listening(any_client, tail) as listener:
        await post(any_client, 1, 2, partition=1)
        for event in await listener.some(2):
            assert await opened.receive_json() == event.data


async def test_it_goes_on_behind_a_last_event_id_in_the_header_or_where_browsers_can_say_it(any_client):
    sent = await post(any_client, 1, 2, 3)
    tail = any_client.topic + "/tail"
    async with socket(any_client, tail, headers={"Last-Event-ID": "0:0"}) as opened:
        assert (await opened.receive_json())["id"] == sent[1]
    async with socket(any_client, tail, last_event_id="0:1") as opened:
        assert (await opened.receive_json())["id"] == sent[2]


async def test_a_long_history_comes_whole(any_client):
    sent = []
    for first in range(0, 2000, 500):
        sent += await post(any_client, *range(first, first + 500))
    async with socket(any_client, any_client.topic + "/tail", **{"from": "earliest"}) as opened:
        assert [(await opened.receive_json())["id"] for _ in sent] == sent


@pytest.mark.parametrize(
    ("frame", "code", "error"),
    [
        ("{", 1007, "bad_request"), ('"\\ud800"', 1007, "bad_request"), ("[]", 1008, "bad_request"),
        ("{}", 1008, "bad_request"), ('{"ack":{"partition_id":0}}', 1008, "bad_request"),
        ('{"ack":{"partition_id":0,"offset":-1}}', 1008, "bad_request"),
        ('{"ack":{"partition_id":0,"offset":"1"}}', 1008, "bad_request"),
        ('{"ack":{"partition_id":0,"offset":1},"more":1}', 1008, "bad_request"),
        ('{"ack":{"partition_id":0,"offset":0}}', 1008, "bad_request"),
        (b"\0", 1003, "bad_request"),
    ],
)  # fmt: skip
async def test_a_frame_that_can_not_be_meant_gets_its_reason_and_a_code(client, frame, code, error):
    async with socket(client) as opened:
        await (opened.send_str(frame) if isinstance(frame, str) else opened.send_bytes(frame))
        told = await opened.receive_json()
        assert told["error"] == error
        assert told["message"]
        assert told["request_id"] == opened._response.headers["X-Request-Id"]  # noqa: SLF001 - it has no other way
        closed = await opened.receive()
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, code)
        assert told["message"].startswith(closed.extra[:100])


async def test_a_frame_that_is_too_large_is_1009_and_text_that_is_none_1007(client):
    async with socket(client) as opened:
        await opened.send_str("x" * 5000)
        assert (await opened.receive()).data == 1009
    async with socket(client) as opened:
        await opened._writer.send_frame(b"\xff", WSMsgType.TEXT)  # noqa: SLF001 - no client of good faith can
        assert (await opened.receive()).data == 1007


async def test_a_stop_is_told_as_going_away(client):
    async with socket(client) as opened:
        client.gateway.live.stop()
        assert (await opened.receive()).data == 1001
    refused = await client.get(TAIL)
    assert (refused.status, refused.body["error"]) == (503, "shutting_down")


async def test_a_deleted_topic_is_told_with_its_reason(any_client):
    stream = await any_client.stream()
    topic = f"/streams/{stream}/topics/t"
    assert (await any_client.post(f"/streams/{stream}/topics", {"name": "t"})).status == 201
    async with socket(any_client, f"{topic}/tail") as opened:
        assert (await any_client("DELETE", topic)).status == 204
        assert (await opened.receive_json())["error"] == "not_found"
        assert (await opened.receive()).type is WSMsgType.CLOSE


async def test_web_pages_of_other_origins_are_refused_and_programs_are_not(start):
    async with start(CORS_ALLOWED_ORIGINS=APP) as client:
        async with socket(client, headers={"Origin": APP}), socket(client):
            pass
        for origin in ("https://evil.example", "null", f"{APP}.evil.example"):
            with pytest.raises(WSServerHandshakeError) as refused:
                async with socket(client, headers={"Origin": origin}):
                    pass
            assert refused.value.status == 403
        text = (await client.get("/metrics")).body.decode()
        assert 'sluice_refusals_total{key="_unknown",reason="origin"} 3.0' in text


async def test_no_handshake_of_websockets_is_a_bad_request(client):
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    refused = await client.get(TAIL, headers=headers)
    assert (refused.status, refused.body["error"]) == (400, "bad_request")
    assert "WebSocket" in refused.body["message"]


@pytest.mark.parametrize(("path", "status"), [(f"{TAIL}?partition_id=9", 404), (f"{TAIL}?from=never", 400)])
async def test_what_is_refused_is_so_before_the_handshake(client, path, status):
    with pytest.raises(WSServerHandshakeError) as refused:
        async with client.session.ws_connect(client.url + path):
            pass
    assert refused.value.status == status


async def test_a_key_is_needed_for_a_socket_too(start):
    async with start(API_KEY=CANARY) as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            async with socket(client):
                pass
        assert refused.value.status == 401
        async with socket(client, headers={"X-API-Key": CANARY}):
            pass


async def test_a_socket_is_one_line_and_one_figure_when_it_ends(client):
    async with socket(client) as opened:
        [event_id] = await post(client, 1)
        assert json.loads((await opened.receive()).data)["id"] == event_id
        assert 'sluice_tails_open{transport="websocket"} 1.0' in (await client.get("/metrics")).body.decode()
    route = "/streams/{stream}/topics/{topic}/tail"
    ended = f'http_request_duration_seconds_count{{method="GET",route="{route}",status="101"}} 1.0'
    for _ in range(100):
        if ended in (text := (await client.get("/metrics")).body.decode()):
            break
        await asyncio.sleep(0.05)
    assert ended in text
    assert 'sluice_tails_open{transport="websocket"} 0.0' in text
    assert len(client.gateway.live) == 0


async def test_a_frame_that_is_not_masked_is_a_protocol_error(client):
    """As RFC 6455 has it (5.1); aiohttp's own client can't send one."""
    url = URL(client.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    writer.write(f"GET {TAIL} HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n".encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x89\x80\0\0\0\0")
    assert await reader.readexactly(2) == b"\x8a\0"
    writer.write(b"\x89\0")
    kind, size = await reader.readexactly(2)
    assert (kind, (await reader.readexactly(size))[:2]) == (0x88, (1002).to_bytes(2))
    writer.close()
    await writer.wait_closed()
