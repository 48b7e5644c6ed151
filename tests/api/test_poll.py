"""GET …/messages: from an offset, or from where the consumer left off (API 4)."""

import asyncio
import base64
import time

import pytest
from samples import generic, with_id
from support import publish

from app.record import NewRecord


async def fill(client, count: int, partition: int = 0) -> list[str]:
    messages = [{"event": with_id(n), "partition_id": partition} for n in range(count)]
    sent = await client.post("/messages/batch", {"messages": messages})
    assert sent.status == 201
    return [item["event_id"] for item in sent.body]


def ids(answer) -> list[str]:
    return [message["id"] for message in answer.body["messages"]]


async def test_an_empty_partition_is_an_ordinary_answer(any_client):
    polled = await any_client.poll(1)
    assert polled.status == 200
    assert polled.body == {
        "messages": [], "count": 0, "partition_id": 1, "current_offset": 0,
        "next_offset": 0, "high_watermark": 0, "log_start_offset": 0,
    }  # fmt: skip


async def test_a_page_tells_where_the_next_begins(any_client):
    sent = await fill(any_client, 25)
    first = await any_client.poll()
    assert (first.body["count"], first.body["current_offset"], first.body["high_watermark"]) == (10, 24, 25)
    second = await any_client.poll(offset=first.body["next_offset"], count=100)
    assert ids(first) + ids(second) == sent
    assert second.body["next_offset"] == 25
    message = first.body["messages"][0]
    assert set(message) == {"offset", "timestamp", "id", "key", "event", "size"}
    assert message["size"] == len(await raw_event(any_client, 0))


async def raw_event(client, offset: int) -> bytes:
    async with client.session.get(f"{client.url}/messages", params={"offset": str(offset), "count": "1"}) as response:
        text = await response.read()
    return text[text.index(b'"event":') + 8 : text.index(b',"size"')]


async def test_auto_commit_never_delivers_twice_and_misses_nothing(any_client):
    sent = await fill(any_client, 25)
    pages = [await any_client.poll(auto_commit="true") for _ in range(4)]
    assert [page.body["count"] for page in pages] == [10, 10, 5, 0]
    assert [event_id for page in pages for event_id in ids(page)] == sent


async def test_without_auto_commit_the_same_page_comes_again(any_client):
    await fill(any_client, 3)
    assert ids(await any_client.poll()) == ids(await any_client.poll())


async def test_consumers_have_offsets_of_their_own(any_client):
    await fill(any_client, 3)
    assert (await any_client.poll(auto_commit="true", consumer_id="a")).body["count"] == 3
    assert (await any_client.poll(auto_commit="true", consumer_id="a")).body["count"] == 0
    assert (await any_client.poll(auto_commit="true", consumer_id="b.2_x-")).body["count"] == 3
    assert (await any_client.poll(consumer_id="a", offset=0)).body["count"] == 3


async def test_many_auto_commit_polls_at_once_share_without_repeat(any_client):
    sent = await fill(any_client, 60)
    pages = await asyncio.gather(
        *(any_client.poll(auto_commit="true", count=7, consumer_id="shared") for _ in range(12))
    )
    delivered = [event_id for page in pages for event_id in ids(page)]
    assert sorted(delivered) == sorted(sent)


async def test_a_long_poll_answers_as_soon_as_something_comes(any_client):
    started = time.monotonic()
    waiting = asyncio.ensure_future(any_client.poll(2, wait_ms=20_000))
    await asyncio.sleep(0.2)
    [event_id] = await fill(any_client, 1, partition=2)
    polled = await asyncio.wait_for(waiting, 10)
    assert ids(polled) == [event_id]
    assert time.monotonic() - started < 10


async def test_a_long_poll_with_auto_commit_holds_no_turn_while_it_waits(client):
    waiting = asyncio.ensure_future(client.poll(0, wait_ms=20_000, auto_commit="true"))
    await asyncio.sleep(0.1)
    assert (await asyncio.wait_for(client.poll(0, auto_commit="true"), 5)).body["count"] == 0
    sent = await fill(client, 1)
    assert ids(await asyncio.wait_for(waiting, 5)) == sent


async def test_a_long_poll_ends_empty_when_its_time_is_up(client):
    started = time.monotonic()
    polled = await client.poll(wait_ms=300)
    assert (polled.status, polled.body["count"]) == (200, 0)
    assert 0.25 <= time.monotonic() - started < 5


async def test_a_wait_ends_before_the_deadline_with_an_ordinary_answer(client):
    polled = await client.get("/messages", params={"wait_ms": "20000"}, headers={"X-Request-Timeout": "900"})
    assert (polled.status, polled.body["count"]) == (200, 0)


async def test_the_count_is_capped_silently(start):
    async with start(POLL_MAX_COUNT="5") as client:
        await fill(client, 8)
        assert (await client.poll(count=1000)).body["count"] == 5


async def test_max_bytes_bounds_an_answer_but_its_first_message_always_comes(any_client):
    await any_client.post("/messages/batch", {"messages": [{"event": generic("x" * 5000), "partition_id": 0}] * 3})
    assert (await any_client.poll(max_bytes=100)).body["count"] == 1
    assert (await any_client.poll(max_bytes=11_000)).body["count"] == 2


async def test_offsets_are_clamped(any_client):
    await fill(any_client, 2)
    polled = await any_client.poll(offset=999)
    assert (polled.body["count"], polled.body["next_offset"]) == (0, 2)


async def test_a_commit_past_the_end_starts_at_the_log_start(client):
    await fill(client, 2)
    await client.gateway.log.commit("http-old", "sample-stream.events", {0: 99})
    assert (await client.poll(consumer_id="old", auto_commit="true")).body["count"] == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", "0"), ("count", "-1"), ("count", "ten"), ("count", "1.0"), ("count", "1_0"), ("count", ""),
        ("partition_id", "-1"), ("partition_id", "x"), ("offset", "-1"), ("offset", "1e3"), ("offset", str(2**63)),
        ("wait_ms", "30001"), ("wait_ms", "-1"), ("max_bytes", "0"), ("auto_commit", "maybe"),
        ("consumer_id", ""), ("consumer_id", "a b"), ("consumer_id", "x" * 201), ("consumer_id", "a/b"),
    ],
)  # fmt: skip
async def test_bad_parameters_are_refused_by_name(client, field, value):
    refused = await client.get("/messages", params={field: value})
    assert (refused.status, refused.body["error"]) == (400, "validation_error")
    assert refused.body["details"][0]["field"] == field
    assert "outcome" not in refused.body


async def test_unknown_parameters_are_ignored(client):
    assert (await client.get("/messages", params={"colour": "blue"})).status == 200


async def test_unknown_topics_and_partitions_are_not_found(any_client):
    refused = await any_client.poll(3)
    assert (refused.status, refused.body["error"]) == (404, "not_found")
    assert "3" in refused.body["message"]
    for path in ("/streams/none/topics/none/messages", "/streams/-/topics/__consumer_offsets/messages"):
        assert (await any_client.get(path)).status == 404


@pytest.mark.parametrize("name", ["a%20b", "%C3%BC", "a%2Fb", "x" * 250])
async def test_names_no_broker_can_hold_are_refused(client, name):
    refused = await client.get(f"/streams/s/topics/{name}/messages")
    assert (refused.status, refused.body["error"]) == (400, "validation_error")


FOREIGN = [
    (b"not json", None),
    (b"[1,2]", None),
    (b'{"a":NaN}', None),
    (b'{"a":"\\ud800"}', None),
    (b"\xff\xfe", None),
    (b"", None),
    (b'{"no":"id"}', {"no": "id"}),
    (b'{ "id" : "x",\n "n": 1.10 }', {"id": "x", "n": 1.1}),
]


@pytest.mark.parametrize(("value", "event"), FOREIGN)
async def test_whatever_stands_on_the_log_is_shown_and_blocks_nobody(client, value, event):
    """A record that others wrote comes as an event where it is one, else as base64: never dropped."""
    broker = client.gateway.log
    headers = (("tenant", b"a"), ("binary", b"\xff"), ("nothing", None))
    await publish(
        broker,
        "sample-stream.events",
        NewRecord.of(0, value, 0, key=b"\xff", headers=headers),
        NewRecord.of(0, b"{}", 0),
    )
    polled = await client.poll()
    message, following = polled.body["messages"]
    assert following["event"] == {}
    assert message["event"] == event
    assert (message["key"], message["key_base64"]) == (None, base64.b64encode(b"\xff").decode())
    assert message["headers_base64"][1] == {"name": "binary", "value": base64.b64encode(b"\xff").decode()}
    if event is None:
        assert base64.b64decode(message["value_base64"]) == value
    else:
        assert "value_base64" not in message
