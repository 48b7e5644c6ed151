"""Two gateways on one Kafka: what one changes the other shows, as API 5 says."""

import asyncio
import uuid
from contextlib import AsyncExitStack

import pytest
from listeners import socket
from samples import generic

pytestmark = pytest.mark.kafka


@pytest.fixture
async def pair(start, kafka):
    settings = {"BROKER_URL": f"kafka://{kafka}", "DEFAULT_STREAM": f"s{uuid.uuid4().hex[:12]}"}
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(start(**settings)) for _ in range(2)]


async def topic_by(client, partitions: int = 2) -> str:
    stream = await client.stream()
    made = await client.post(f"/streams/{stream}/topics", {"name": "t", "partitions": partitions})
    assert made.status == 201
    return f"/streams/{stream}/topics/t"


async def test_what_one_creates_the_other_s_next_call_finds(pair):
    one, other = pair
    stream = await one.stream()
    assert (await other.get(f"/streams/{stream}")).body["topics_count"] == 0
    assert (await other.post("/streams", {"name": stream})).status == 409
    path = await topic_by(one)
    assert (await other.get(path)).status == 200
    path = await topic_by(one)
    assert (await other.post(f"{path}/messages", {"event": generic(1), "partition_id": 1})).status == 201
    path = await topic_by(one)
    assert (await other.poll(1, f"{path}/messages")).body["messages"] == []
    changed = await other("PATCH", path, json={"partitions": 4, "retention_ms": 1000})
    assert changed.status == 200
    assert (await one.get(path)).body["partitions_count"] == 4
    assert (await one.post(f"{path}/messages", {"event": generic(1), "partition_id": 3})).status == 201


async def test_what_one_deletes_is_gone_at_the_other(pair):
    one, other = pair
    path = await topic_by(one)
    for client in pair:
        assert (await client.post(f"{path}/messages", {"event": generic(1)})).status == 201
    assert (await one("DELETE", path)).status == 204
    assert (await other.get(path)).status == 404
    assert (await other.get(f"{path}/offsets")).status == 404
    async with asyncio.timeout(10):
        while (await other.post(f"{path}/messages", {"event": generic(1)})).status != 404:
            await asyncio.sleep(0.05)
    stream = path.split("/")[2]
    assert (await other.get(f"/streams/{stream}/topics")).body == []
    again = await other.post(f"/streams/{stream}/topics", {"name": "t", "partitions": 5})
    assert again.status == 201
    assert (await one.post(f"{path}/messages", {"event": generic(1), "partition_id": 4})).body["offset"] == 0
    assert (await one("DELETE", f"/streams/{stream}")).status == 204
    assert (await other.get(f"/streams/{stream}")).status == 404
    assert stream not in [found["name"] for found in (await other.get("/streams")).body]


async def test_sends_hear_of_a_deletion_within_a_second(pair):
    one, other = pair
    path = await topic_by(one)
    assert (await other.post(f"{path}/messages", {"event": generic(1)})).status == 201
    await one("DELETE", path)
    await asyncio.sleep(1)
    assert (await other.post(f"{path}/messages", {"event": generic(1)})).status == 404


async def test_offsets_are_the_same_at_both(pair):
    one, other = pair
    path = await topic_by(one)
    for n in range(4):
        await one.post(f"{path}/messages", {"event": generic(n), "partition_id": 0})
    first = await one.poll(0, f"{path}/messages", consumer_id="c", count=2, auto_commit="true")
    assert [message["offset"] for message in first.body["messages"]] == [0, 1]
    async with asyncio.timeout(10):  # it is committed once the answer is out
        while (await other.get(f"{path}/offsets?consumer_id=c")).body["partitions"][0]["committed"] != 2:
            await asyncio.sleep(0.02)
    second = await other.poll(0, f"{path}/messages", consumer_id="c", count=2, auto_commit="true")
    assert [message["offset"] for message in second.body["messages"]] == [2, 3]
    async with asyncio.timeout(10):
        while (await other.get(f"{path}/offsets?consumer_id=c")).body["partitions"][0]["committed"] != 4:
            await asyncio.sleep(0.02)
    await other("PUT", f"{path}/offsets?consumer_id=c", json={"to": "earliest"})
    assert (await one.get(f"{path}/offsets?consumer_id=c")).body["partitions"][0]["committed"] == 0


async def test_of_racing_creations_at_both_one_wins(pair):
    for _ in range(3):
        name = f"s{uuid.uuid4().hex[:12]}"
        made = await asyncio.gather(*(client.post("/streams", {"name": name}) for client in pair * 3))
        assert sorted(answer.status for answer in made) == [201] + [409] * 5
        topics = f"/streams/{name}/topics"
        made = await asyncio.gather(*(client.post(topics, {"name": "t", "partitions": 2}) for client in pair * 3))
        assert sorted(answer.status for answer in made) == [201] + [409] * 5
        gone = await asyncio.gather(*(client("DELETE", f"{topics}/t") for client in pair * 2))
        assert {answer.status for answer in gone} <= {204, 404}
        gone = await asyncio.gather(*(client("DELETE", f"/streams/{name}") for client in pair * 2))
        assert {answer.status for answer in gone} <= {204, 404}


async def test_a_topic_goes_while_others_read_and_write_it(pair):
    one, other = pair
    path = await topic_by(one)
    stopped = asyncio.Event()
    seen: set[int] = set()

    async def busy(client, *call: str, **options) -> None:
        while not stopped.is_set():
            seen.add((await client(*call, **options)).status)

    body = {"event": generic(1), "partition_id": 0}
    tasks = [
        asyncio.create_task(busy(client, *call, **options))
        for client in pair
        for call, options in (
            (("POST", f"{path}/messages"), {"json": body}),
            (("GET", f"{path}/messages?partition_id=1&wait_ms=500"), {}),
            (("GET", path), {}),
        )
    ]
    await asyncio.sleep(0.5)
    assert (await other("DELETE", path)).status == 204
    await asyncio.sleep(1.5)
    stopped.set()
    await asyncio.gather(*tasks)
    assert seen <= {200, 201, 404}, seen
    assert (await one.get(path)).status == 404


async def test_a_stream_goes_while_others_make_topics_in_it(pair):
    one, other = pair
    for _ in range(3):
        stream = await one.stream()
        topics = f"/streams/{stream}/topics"
        made, gone = await asyncio.gather(
            asyncio.gather(*(other.post(topics, {"name": f"t{n}"}) for n in range(5))),
            one("DELETE", f"/streams/{stream}"),
        )
        assert {answer.status for answer in made} <= {201, 404}
        assert gone.status == 204
        left = {answer.body["name"] for answer in made if answer.status == 201}
        for client in pair:  # what was made behind the deletion is there, and nothing else
            listed = await client.get(topics)
            found = {topic["name"] for topic in listed.body} if listed.status == 200 else set()
            assert found <= left
            assert listed.status == (200 if found else 404)


async def test_tails_of_one_consumer_share_the_partitions_of_both(pair):
    one, other = pair
    path = await topic_by(one, partitions=4)
    async with socket(one, f"{path}/tail", consumer_id="c") as first:
        async with socket(other, f"{path}/tail", consumer_id="c") as second:
            async with asyncio.timeout(40):
                while sorted(map(len, await shares(one))) != [2, 2]:
                    await asyncio.sleep(0.05)
            sent = [await one.post(f"{path}/messages", {"event": generic(n), "partition_id": n}) for n in range(4)]
            wanted = {answer.body["event_id"] for answer in sent}
            told = [{(await opened.receive_json())["id"] for _ in range(2)} for opened in (first, second)]
            assert told[0] | told[1] == wanted
        assert {(await first.receive_json())["id"] for _ in range(4)} == wanted  # nobody acknowledged
    async with asyncio.timeout(20):
        while await shares(other):
            await asyncio.sleep(0.05)


async def shares(client) -> list[list[int]]:
    answer = await client.get("/consumers/http-c")
    found = answer.body["members"] if answer.status == 200 else []
    return [[place["partition_id"] for place in member["partitions"]] for member in found]
