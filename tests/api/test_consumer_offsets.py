"""GET, PUT and DELETE …/topics/{topic}/offsets (API 4)."""

import asyncio
import uuid

import pytest
from confluent_kafka import Consumer
from samples import generic


async def topic_of(client, *, partitions: int = 2, messages: int = 3) -> str:
    """The path of a new topic with some messages in partition 0."""
    stream = await client.stream()
    await client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": partitions})
    path = f"/streams/{stream}/topics/t"
    for n in range(messages):
        await client.post(f"{path}/messages", {"event": generic(n), "partition_id": 0})
    return path


def partition(number: int, committed: int | None, high: int, lag: int | None) -> dict:
    return {
        "partition_id": number, "committed": committed, "high_watermark": high, "log_start_offset": 0, "lag": lag,
    }  # fmt: skip


async def put(client, path: str, body, **query):
    return await client("PUT", f"{path}/offsets", json=body, params={"consumer_id": "c", **query})


async def show(client, path: str, consumer: str = "c") -> list[dict]:
    answer = await client.get(f"{path}/offsets", params={"consumer_id": consumer})
    assert (answer.status, answer.body["consumer_id"]) == (200, consumer)
    return answer.body["partitions"]


async def test_what_polls_committed_is_shown_with_its_lag(any_client):
    path = await topic_of(any_client)
    assert await show(any_client, path) == [partition(0, None, 3, None), partition(1, None, 0, None)]
    await any_client.poll(0, f"{path}/messages", consumer_id="c", auto_commit="true", count=2)
    for _ in range(100):  # the commit comes after the answer
        if (await show(any_client, path))[0]["committed"] is not None:
            break
        await asyncio.sleep(0.02)
    assert await show(any_client, path) == [partition(0, 2, 3, 1), partition(1, None, 0, None)]
    assert await show(any_client, path, "other") == [partition(0, None, 3, None), partition(1, None, 0, None)]


async def test_the_consumer_is_1_when_none_is_named(any_client):
    path = await topic_of(any_client, messages=1)
    answer = await any_client("PUT", f"{path}/offsets", json={"to": "latest"})
    assert answer.body["consumer_id"] == "1"
    assert (await show(any_client, path, "1"))[0]["committed"] == 1


async def test_single_partitions_are_set_and_the_others_stay(any_client):
    path = await topic_of(any_client)
    answer = await put(any_client, path, {"partitions": [{"partition_id": 0, "offset": 1}]})
    assert answer.status == 200
    assert answer.body["partitions"] == [partition(0, 1, 3, 2), partition(1, None, 0, None)]
    assert await show(any_client, path) == answer.body["partitions"]
    polled = await any_client.poll(0, f"{path}/messages", consumer_id="c")
    assert [message["offset"] for message in polled.body["messages"]] == [1, 2]


@pytest.mark.parametrize(("to", "committed"), [("earliest", 0), ("latest", 3)])
async def test_all_partitions_go_to_an_end(any_client, to, committed):
    path = await topic_of(any_client)
    await put(any_client, path, {"partitions": [{"partition_id": 0, "offset": 2}]})
    answer = await put(any_client, path, {"to": to})
    assert answer.body["partitions"] == [partition(0, committed, 3, 3 - committed), partition(1, 0, 0, 0)]
    assert await show(any_client, path) == answer.body["partitions"]


async def test_a_time_goes_to_the_first_record_not_older_and_behind_the_last_one_else(any_client):
    path = await topic_of(any_client, messages=1)
    await asyncio.sleep(0.01)
    second = await any_client.post(f"{path}/messages", {"event": generic(), "partition_id": 0})
    at = await put(any_client, path, {"to": second.body["timestamp"]})
    assert [p["committed"] for p in at.body["partitions"]] == [1, 0]
    before = await put(any_client, path, {"to": "2001-01-01T00:00:00+02:00"})
    assert [p["committed"] for p in before.body["partitions"]] == [0, 0]
    after = await put(any_client, path, {"to": "2999-01-01T00:00:00Z"})
    assert [p["committed"] for p in after.body["partitions"]] == [2, 0]


async def test_a_dry_run_tells_and_does_nothing(any_client):
    path = await topic_of(any_client)
    answer = await put(any_client, path, {"to": "latest"}, dry_run="true")
    assert [p["committed"] for p in answer.body["partitions"]] == [3, 0]
    assert [p["committed"] for p in await show(any_client, path)] == [None, None]


async def test_forgotten_offsets_are_gone_and_forgetting_again_is_fine(any_client):
    path = await topic_of(any_client)
    other = await topic_of(any_client)
    await put(any_client, path, {"to": "latest"})
    await put(any_client, other, {"to": "latest"})
    for _ in range(2):
        answer = await any_client("DELETE", f"{path}/offsets", params={"consumer_id": "c"})
        assert (answer.status, answer.body) == (204, b"")
    assert [p["committed"] for p in await show(any_client, path)] == [None, None]
    assert [p["committed"] for p in await show(any_client, other)] == [3, 0]
    nobody = await any_client("DELETE", f"{path}/offsets", params={"consumer_id": f"n-{uuid.uuid4()}"})
    assert nobody.status == 204


@pytest.mark.parametrize(
    "body",
    [
        {}, {"to": "latest", "partitions": [{"partition_id": 0, "offset": 0}]}, {"to": "yesterday"}, {"to": 5},
        {"to": "2026-01-01T00:00:00"}, {"partitions": []}, {"partitions": [{"partition_id": 0}]},
        {"partitions": [{"partition_id": 0, "offset": 4}]}, {"partitions": [{"partition_id": 0, "offset": -1}]},
        {"partitions": [{"partition_id": 0, "offset": "1"}]}, {"partitions": [{"partition_id": 2, "offset": 0}]},
        {"partitions": [{"partition_id": 0, "offset": 0}, {"partition_id": 0, "offset": 1}]}, {"two": "latest"}, [],
        {"partitions": [{"partition_id": 0, "offset": 1}, {"partition_id": 1, "offset": 9}]},
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused_and_nothing_is_set(client, body):
    path = await topic_of(client)
    answer = await put(client, path, body)
    assert (answer.status, answer.body["error"]) == (400, "validation_error")
    assert answer.body["details"]
    assert [p["committed"] for p in await show(client, path)] == [None, None]


async def test_unknown_topics_and_bad_consumers_are_refused(client):
    path = await topic_of(client)
    stream = path.split("/")[2]
    for method in ("GET", "DELETE"):
        assert (await client(method, f"/streams/{stream}/topics/none/offsets")).status == 404
        assert (await client(method, f"{path}/offsets", params={"consumer_id": "a b"})).status == 400
    assert (await put(client, f"/streams/{stream}/topics/none", {"to": "latest"})).status == 404


@pytest.mark.kafka
async def test_a_group_with_live_members_is_not_overwritten(start, kafka):
    async with start(BROKER_URL=f"kafka://{kafka}", DEFAULT_STREAM=f"s{uuid.uuid4().hex[:12]}") as client:
        path = await topic_of(client)
        _, _, stream, _, topic = path.split("/")
        member = Consumer({"bootstrap.servers": kafka, "group.id": "http-live", "auto.offset.reset": "earliest"})
        member.subscribe([f"{stream}.{topic}"])
        assert await asyncio.to_thread(member.poll, 20)
        try:
            for answer in (
                await client("PUT", f"{path}/offsets", json={"to": "latest"}, params={"consumer_id": "live"}),
                await client("DELETE", f"{path}/offsets", params={"consumer_id": "live"}),
                await client.poll(0, f"{path}/messages", consumer_id="live", auto_commit="true"),
            ):
                assert (answer.status, answer.body["error"]) == (409, "conflict")
            assert (await client.poll(0, f"{path}/messages", consumer_id="live")).status == 200
        finally:
            member.close()
        await asyncio.sleep(1.1)
        polled = await client.poll(0, f"{path}/messages", consumer_id="live", auto_commit="true")
        assert polled.status == 200
