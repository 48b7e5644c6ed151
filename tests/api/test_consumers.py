"""GET /consumers and GET /consumers/{group} (API 5)."""

import asyncio
import uuid

import pytest
from confluent_kafka import Consumer
from samples import generic


async def topic_of(client, messages: int = 3) -> tuple[str, str]:
    """Stream and path of a new topic with some messages in partition 0."""
    stream = await client.stream()
    await client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": 2})
    path = f"/streams/{stream}/topics/t"
    for n in range(messages):
        await client.post(f"{path}/messages", {"event": generic(n), "partition_id": 0})
    return stream, path


async def commit(client, path: str, consumer: str, *offsets: int) -> None:
    body = {"partitions": [{"partition_id": n, "offset": offset} for n, offset in enumerate(offsets)]}
    answer = await client("PUT", f"{path}/offsets", json=body, params={"consumer_id": consumer})
    assert answer.status == 200


async def test_a_group_shows_with_what_it_has_read_and_what_is_left(any_client):
    consumer = f"c{uuid.uuid4().hex[:8]}"
    stream, path = await topic_of(any_client)
    other, other_path = await topic_of(any_client, messages=1)
    await commit(any_client, path, consumer, 1, 0)
    await commit(any_client, other_path, consumer, 0)
    shown = (await any_client.get(f"/consumers/http-{consumer}")).body
    assert shown | {"partitions": None} == {
        "group": f"http-{consumer}", "consumer_id": consumer, "state": "Empty", "lag": 3, "members": [],
        "partitions": None,
    }  # fmt: skip
    expected = [
        {"stream": stream, "topic": "t", "partition_id": 0, "committed": 1, "high_watermark": 3, "lag": 2},
        {"stream": stream, "topic": "t", "partition_id": 1, "committed": 0, "high_watermark": 0, "lag": 0},
        {"stream": other, "topic": "t", "partition_id": 0, "committed": 0, "high_watermark": 1, "lag": 1},
    ]
    assert sorted(shown["partitions"], key=str) == sorted(expected, key=str)
    listed = {group["group"]: group for group in (await any_client.get("/consumers")).body}
    assert listed[f"http-{consumer}"] == {
        "group": f"http-{consumer}", "consumer_id": consumer, "state": "Empty", "lag": 3, "members": 0,
    }  # fmt: skip
    assert list(listed) == sorted(listed)


async def test_a_group_is_gone_with_its_last_offset_or_topic(any_client):
    consumer = f"c{uuid.uuid4().hex[:8]}"
    _, path = await topic_of(any_client)
    await commit(any_client, path, consumer, 1)
    await any_client("DELETE", path)
    answer = await any_client.get(f"/consumers/http-{consumer}")
    assert (answer.status, answer.body["error"]) == (404, "not_found")


async def test_an_unknown_group_is_404(any_client):
    assert (await any_client.get(f"/consumers/http-{uuid.uuid4()}")).status == 404


@pytest.mark.kafka
async def test_live_groups_of_others_show_with_their_members(start, kafka):
    async with start(BROKER_URL=f"kafka://{kafka}", DEFAULT_STREAM=f"s{uuid.uuid4().hex[:12]}") as client:
        stream, _ = await topic_of(client)
        group = f"others-{uuid.uuid4().hex[:8]}"
        member = Consumer(
            {"bootstrap.servers": kafka, "group.id": group, "client.id": "them", "auto.offset.reset": "earliest"}
        )
        member.subscribe([f"{stream}.t"])
        assert await asyncio.to_thread(member.poll, 20)
        try:
            await asyncio.to_thread(member.commit, asynchronous=False)
            shown = (await client.get(f"/consumers/{group}")).body
            assert (shown["group"], shown["consumer_id"], shown["state"]) == (group, None, "Stable")
            [found] = shown["members"]
            assert (found["client_id"], found["host"]) == ("them", "127.0.0.1")
            assert found["partitions"] == [{"stream": stream, "topic": "t", "partition_id": n} for n in (0, 1)]
            assert shown["lag"] == 2
            listed = {item["group"]: item for item in (await client.get("/consumers")).body}
            assert (listed[group]["members"], listed[group]["lag"]) == (1, 2)
        finally:
            member.close()
