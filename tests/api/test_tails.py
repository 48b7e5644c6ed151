"""GET …/tail: a topic as it grows, as server-sent events (API 4)."""

import asyncio
import random

import pytest
from listeners import TAIL, listening
from samples import CANARY, generic, with_id
from support import publish

from app.record import NewRecord


async def post(client, *numbers: int, partition: int = 0, path: str = "/messages", **event) -> list[str]:
    messages = [{"event": with_id(n) | event, "partition_id": partition} for n in numbers]
    sent = await client.post(f"{path}/batch", {"messages": messages})
    assert sent.status == 201
    return [item["event_id"] for item in sent.body]


async def test_what_comes_is_told_as_a_poll_would_with_its_partition(any_client):
    async with listening(any_client, any_client.topic + "/tail") as listener:
        [event_id] = await post(any_client, 1, partition=2)
        event = await listener.next()
    polled = await any_client.poll(2)
    assert (event.kind, event.data["id"]) == ("message", event_id)
    assert event.data == polled.body["messages"][0] | {"partition_id": 2}


async def test_latest_is_what_comes_and_earliest_what_there_is(any_client):
    before = await post(any_client, 1, 2)
    async with listening(any_client, any_client.topic + "/tail") as latest:
        async with listening(any_client, any_client.topic + "/tail", **{"from": "earliest"}) as earliest:
            after = await post(any_client, 3)
            assert [event.data["id"] for event in await earliest.some(3)] == before + after
        assert (await latest.next()).data["id"] == after[0]


async def test_a_time_is_where_the_first_record_is_not_older(any_client):
    await post(any_client, 1)
    await asyncio.sleep(0.05)
    [second] = await post(any_client, 2)
    moment = (await any_client.poll(offset=1)).body["messages"][0]["timestamp"]
    async with listening(any_client, any_client.topic + "/tail", **{"from": moment}) as listener:
        assert (await listener.next()).data["id"] == second


async def test_only_one_partition_and_only_one_type(any_client):
    async with listening(any_client, any_client.topic + "/tail", partition_id=1, event_type="b.c") as listener:
        await post(any_client, 1, partition=0, event_type="b.c")
        await post(any_client, 2, partition=1)
        [wanted] = await post(any_client, 3, partition=1, event_type="b.c")
        event = await listener.next()
    assert (event.data["id"], event.data["partition_id"], event.id) == (wanted, 1, "1:1")


async def test_events_of_others_without_header_have_a_type_too(client):
    async with listening(client, event_type="x.y") as listener:
        for value in (b"[]", b'{"event_type":1}', b'{\n "event_type": "x.y",\r\n "n": 1.10 }'):
            await publish(client.gateway.log, "sample-stream.events", NewRecord.of(0, value, 0))
        event = await listener.next()
    assert (event.data["offset"], event.data["event"]) == (2, {"event_type": "x.y", "n": 1.1})


async def test_an_id_has_the_last_offset_of_each_partition(any_client):
    async with listening(any_client, any_client.topic + "/tail") as listener:
        assert listener.last_id == "0:-1"
        await post(any_client, 1, 2, partition=1)
        assert [event.id for event in await listener.some(2)] == ["1:0", "1:1"]
        await post(any_client, 3, partition=0)
        assert (await listener.next()).id == "0:0,1:1"


async def test_a_listener_cut_a_hundred_times_sees_each_event_in_order(any_client):
    total, last_id = 600, ""
    seen: dict[int, list[str]] = {0: [], 1: [], 2: []}
    sent: dict[int, list[str]] = {0: [], 1: [], 2: []}
    chance = random.Random(7)

    async def write() -> None:
        for n in range(0, total, 3):
            for partition in sent:
                sent[partition] += await post(any_client, n + partition, partition=partition)

    writing = asyncio.ensure_future(write())
    cuts = 0
    while cuts < 100 or sum(map(len, seen.values())) < total:
        async with listening(any_client, any_client.topic + "/tail", last_id=last_id) as listener:
            try:
                for _ in range(chance.randrange(12)):
                    event = await listener.next(0.2 if not writing.done() else 5)
                    seen[event.data["partition_id"]].append(event.data["id"])
            except TimeoutError:
                pass
            last_id = listener.last_id
        cuts += 1
        if writing.done() and cuts < 100:
            writing = asyncio.ensure_future(write())
            total *= 2
    await writing
    assert seen == sent


async def test_many_listeners_cost_one_loop_a_partition(client):
    async with listening(client, partition_id=0) as first:
        listeners = [listening(client, partition_id=0) for _ in range(20)]
        opened = [await one.__aenter__() for one in listeners]
        assert len(client.gateway.live) == 21
        assert len(client.gateway.live.feeds) == 1
        [event_id] = await post(client, 1)
        for listener in [first, *opened]:
            assert (await listener.next()).data["id"] == event_id
        for one in listeners:
            await one.__aexit__(None, None, None)
    for _ in range(100):
        if not len(client.gateway.live.feeds):
            break
        await asyncio.sleep(0.02)
    assert (len(client.gateway.live), len(client.gateway.live.feeds)) == (0, 0)


async def test_a_long_history_is_told_whole_while_more_comes(any_client):
    sent = []
    for first in range(0, 3000, 500):
        sent += await post(any_client, *range(first, first + 500))
    async with listening(any_client, any_client.topic + "/tail", **{"from": "earliest"}) as listener:
        sent += await post(any_client, *range(3000, 3100))
        assert [event.data["id"] for event in await listener.some(3100)] == sent


async def test_more_than_may_wait_is_read_from_the_log_by_a_client_that_takes_it(start):
    async with start(TAIL_BUFFER_BYTES="1000") as client, listening(client) as listener:
        sent = []
        for first in range(0, 2000, 200):
            sent += await post(client, *range(first, first + 200))
        assert [event.data["id"] for event in await listener.some(2000)] == sent


async def test_a_deleted_topic_ends_its_tails_with_the_reason(any_client):
    stream = await any_client.stream()
    topic = f"/streams/{stream}/topics/t"
    assert (await any_client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": 2})).status == 201
    async with listening(any_client, f"{topic}/tail") as listener:
        assert (await any_client("DELETE", topic)).status == 204
        event = await listener.next()
        assert (event.kind, event.data["error"]) == ("error", "not_found")
        assert event.data["request_id"] == listener.response.headers["X-Request-Id"]
        with pytest.raises(StopAsyncIteration):
            await listener.next()


async def test_a_place_past_the_end_is_of_a_deleted_topic(client):
    [event_id] = await post(client, 1)
    async with listening(client, last_id="0:99") as listener:
        assert (await listener.next()).data["id"] == event_id


async def test_the_answer_can_be_read_through_proxies_and_by_web_pages(client):
    async with client.session.get(client.url + TAIL, headers={"Origin": "https://a.example"}) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("field", "query", "last_id"),
    [
        ("from", {"from": "yesterday"}, ""), ("from", {"from": "2026-01-01T00:00:00"}, ""), ("from", {"from": ""}, ""),
        ("partition_id", {"partition_id": "-1"}, ""), ("partition_id", {"partition_id": "x"}, ""),
        ("event_type", {"event_type": ""}, ""), ("event_type", {"event_type": "x" * 257}, ""),
        ("Last-Event-ID", {}, "x"), ("Last-Event-ID", {}, "0:"), ("Last-Event-ID", {}, "0:1,"),
        ("Last-Event-ID", {}, "0:-2"), ("Last-Event-ID", {}, "0:1,0:2"), ("Last-Event-ID", {}, "7:1"),
        ("Last-Event-ID", {"last_event_id": "0"}, ""), ("Last-Event-ID", {}, "0:9999999999999999999"),
    ],
)  # fmt: skip
async def test_what_can_not_be_meant_is_refused_by_name(client, field, query, last_id):
    refused = await client.get(TAIL, params=query, headers={"Last-Event-ID": last_id} if last_id else {})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    assert refused.body["details"][0]["field"] == field


async def test_unknown_topics_and_partitions_are_not_found(any_client):
    refused = await any_client.get(any_client.topic + "/tail", params={"partition_id": "3"})
    assert (refused.status, refused.body["error"]) == (404, "not_found")
    assert "has 3" in refused.body["message"]
    for path in ("/streams/none/topics/none/tail", "/streams/-/topics/_gateway-audit/tail"):
        assert (await any_client.get(path)).status == 404


async def test_over_200_partitions_one_has_to_be_named(client):
    stream = await client.stream()
    assert (await client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": 201})).status == 201
    path = f"/streams/{stream}/topics/t/tail"
    refused = await client.get(path)
    assert (refused.status, refused.body["details"][0]["field"]) == (400, "partition_id")
    assert "201" in refused.body["message"]
    async with listening(client, path, partition_id=200):
        pass


async def test_a_tail_has_no_deadline(client):
    async with client.session.get(client.url + TAIL, headers={"X-Request-Timeout": "100"}) as response:
        assert "X-Effective-Timeout" not in response.headers
        await asyncio.sleep(0.5)
        [event_id] = await post(client, 1)
        async with asyncio.timeout(20):
            while event_id.encode() not in (line := await response.content.readline()):
                assert line


async def test_who_takes_no_event_stream_is_told(client):
    refused = await client.get(TAIL, headers={"Accept": "application/json, text/html;q=0.5"})
    assert (refused.status, refused.body["error"]) == (406, "not_acceptable")


async def test_a_key_needs_the_right_to_consume_and_administrators_hear_the_audit_trail(start, tmp_path):
    async with start(API_KEY=CANARY) as client:
        assert (await client.get(TAIL)).status == 401
        async with client.session.get(
            f"{client.url}/streams/-/topics/_gateway-audit/tail?from=earliest", headers={"X-API-Key": CANARY}
        ) as response:
            assert response.status == 200
            created = await client.post("/streams", {"name": "told"}, headers={"X-API-Key": CANARY})
            assert created.status == 201
            async with asyncio.timeout(20):
                while b"stream.created" not in (line := await response.content.readline()):
                    assert line


async def test_the_metrics_tell_of_open_tails_and_each_is_counted_once_it_ends(client):
    async with listening(client) as listener:
        await post(client, 1)
        await listener.next()
        text = (await client.get("/metrics")).body.decode()
        assert 'sluice_tails_open{transport="sse"} 1.0' in text
        assert 'sluice_messages_tailed_total{stream="sample-stream",topic="events"} 1.0' in text
        assert "/tail" not in text
    labels = '{method="GET",route="/streams/{stream}/topics/{topic}/tail",status="200"}'
    ended = f"http_request_duration_seconds_count{labels}"
    for _ in range(100):
        text = (await client.get("/metrics")).body.decode()
        if f"{ended} 1.0" in text:
            break
        await asyncio.sleep(0.05)
    assert f"{ended} 1.0" in text
    assert 'sluice_tails_open{transport="sse"} 0.0' in text
    [sent] = [line for line in text.splitlines() if line.startswith(f"http_response_bytes_total{labels}")]
    assert float(sent.split()[-1]) > 100, "what it was told counts, though it left"


async def test_big_messages_come_whole(any_client):
    async with listening(any_client, any_client.topic + "/tail") as listener:
        sent = await any_client.post("/messages", {"event": generic("x" * 900_000), "partition_id": 0})
        assert sent.status == 201
        event = await listener.next()
    assert event.data["event"]["payload"]["data"] == "x" * 900_000


async def test_head_is_told_of_a_tail_and_gets_none(client):
    for headers in ({}, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}):
        answer = await client("HEAD", TAIL, params={"consumer_id": "h"}, headers=headers)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert (await client("HEAD", TAIL, params={"partition_id": "9"}, headers=headers)).status == 404
    assert len(client.gateway.live) == 0
    assert (await client.get("/consumers")).body == []
