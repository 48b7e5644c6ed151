"""GET …/tail for a consumer: from where it was, its partitions shared among all who listen for it (API 4)."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from listeners import listening, socket
from samples import with_id

GROUP = "http-c"


async def post(client, *numbers: int, partition: int = 0) -> list[str]:
    messages = [{"event": with_id(n), "partition_id": partition} for n in numbers]
    sent = await client.post(f"{client.topic}/messages/batch", {"messages": messages})
    assert sent.status == 201
    return [item["event_id"] for item in sent.body]


async def committed(client, partition: int = 0) -> int | None:
    shown = await client.get(f"{client.topic}/offsets", params={"consumer_id": "c"})
    return shown.body["partitions"][partition]["committed"]


async def until_committed(client, offset: int, partition: int = 0) -> None:
    async with asyncio.timeout(20):
        while await committed(client, partition) != offset:
            await asyncio.sleep(0.05)


async def members(client) -> list[list[int]]:
    """The partitions of each live member."""
    answer = await client.get(f"/consumers/{GROUP}")
    found = answer.body["members"] if answer.status == 200 else []
    return sorted(sorted(place["partition_id"] for place in member["partitions"]) for member in found)


async def until_members(client, wanted: list[list[int]]) -> None:
    async with asyncio.timeout(40):
        while await members(client) != wanted:
            await asyncio.sleep(0.05)


async def test_a_consumer_goes_on_where_it_was_and_begins_at_the_start(any_client):
    tail = any_client.topic + "/tail"
    sent = await post(any_client, 1, 2, 3)
    async with listening(any_client, tail, consumer_id="c") as listener:
        assert [event.data["id"] for event in await listener.some(3)] == sent
        await until_committed(any_client, 3)
    await until_members(any_client, [])
    more = await post(any_client, 4)
    async with listening(any_client, tail, consumer_id="c") as listener:
        assert (await listener.next()).data["id"] == more[0]


async def test_from_counts_where_nothing_is_committed(any_client):
    tail = any_client.topic + "/tail"
    await post(any_client, 1)
    async with listening(any_client, tail, consumer_id="c", **{"from": "latest"}) as listener:
        await until_committed(any_client, 1)
        [event_id] = await post(any_client, 2)
        assert (await listener.next()).data["id"] == event_id


async def test_what_a_client_knows_goes_before_what_was_committed_for_it(any_client):
    tail = any_client.topic + "/tail"
    sent = await post(any_client, 1, 2, 3)
    async with listening(any_client, tail, consumer_id="c") as listener:
        events = await listener.some(3)
        await until_committed(any_client, 3)
    async with listening(any_client, tail, consumer_id="c", last_id=events[0].id) as listener:
        assert [event.data["id"] for event in await listener.some(2)] == sent[1:]


async def test_on_a_socket_what_is_not_acknowledged_comes_again(any_client):
    tail = any_client.topic + "/tail"
    sent = await post(any_client, 1, 2, 3)
    async with socket(any_client, tail, consumer_id="c") as opened:
        assert [(await opened.receive_json())["id"] for _ in range(3)] == sent
        await opened.send_json({"ack": {"partition_id": 0, "offset": 0}})
        await until_committed(any_client, 1)
        await opened.send_json({"ack": {"partition_id": 0, "offset": 1}})
        await opened.send_json({"ack": {"partition_id": 0, "offset": 0}})  # late, and takes nothing back
        await until_committed(any_client, 2)
    async with socket(any_client, tail, consumer_id="c") as opened:
        assert (await opened.receive_json())["id"] == sent[2]


@pytest.mark.parametrize(("partition", "offset"), [(0, 1), (7, 0), (0, 2**62)])
async def test_what_was_not_told_can_not_be_acknowledged(client, partition, offset):
    await post(client, 1)
    async with socket(client, consumer_id="c") as opened:
        await opened.receive_json()
        await opened.send_json({"ack": {"partition_id": partition, "offset": offset}})
        assert "not told" in (await opened.receive_json())["message"]
        assert (await opened.receive()).data == 1008


async def test_tails_share_the_partitions_and_who_stays_takes_over(any_client):
    tail = any_client.topic + "/tail"
    async with socket(any_client, tail, consumer_id="c") as first:
        await until_members(any_client, [[0, 1, 2]])
        async with socket(any_client, tail, consumer_id="c") as second:
            async with asyncio.timeout(40):
                while sorted(map(len, await members(any_client))) != [1, 2]:
                    await asyncio.sleep(0.05)
            sent = [(await post(any_client, n, partition=n))[0] for n in range(3)]
            told = [await _told(first), await _told(second)]
            assert sorted(event_id for each in told for event_id in each) == sorted(sent)
            assert sorted(map(len, told)) == [1, 2]
        await until_members(any_client, [[0, 1, 2]])
        assert sorted(await _told(first, 3)) == sorted(sent)  # none was acknowledged


async def _told(opened, count: int | None = None) -> list[str]:
    found = []
    while count is None or len(found) < count:
        try:
            found.append((await opened.receive_json(timeout=20 if count else 1.5))["id"])
        except TimeoutError:
            if count is not None:
                raise
            break
    return found


async def test_more_tails_than_partitions_wait_their_turn(client):
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(socket(client, consumer_id="c")) for _ in range(4)]
        assert await members(client) == [[], [0], [1], [2]]
        for _ in range(3):
            await opened.pop(0).close()
        await until_members(client, [[0, 1, 2]])
        [event_id] = await post(client, 1)
        assert (await opened[0].receive_json())["id"] == event_id


async def test_partitions_that_a_topic_gets_are_shared_too(client):
    async with listening(client, consumer_id="c") as listener:
        assert (await client("PATCH", client.topic, json={"partitions": 5})).status == 200
        [event_id] = await post(client, 1, partition=4)
        assert (await listener.next()).data["id"] == event_id


async def test_while_somebody_listens_the_offsets_are_the_group_s(any_client):
    tail = any_client.topic + "/tail"
    offsets, query = f"{any_client.topic}/offsets", {"consumer_id": "c"}
    await post(any_client, 1)
    async with listening(any_client, tail, consumer_id="c") as listener:
        await listener.next()
        await until_committed(any_client, 1)
        for refused in (
            await any_client("PUT", offsets, params=query, json={"to": "latest"}),
            await any_client("DELETE", offsets, params=query),
            await any_client.poll(path=f"{any_client.topic}/messages", auto_commit="true", consumer_id="c"),
        ):
            assert (refused.status, refused.body["error"]) == (409, "conflict")
        [group] = [one for one in (await any_client.get("/consumers")).body if one["group"] == GROUP]
        assert (group["state"], group["members"]) == ("Stable", 1)
    await until_members(any_client, [])
    assert (await any_client("PUT", offsets, params=query, json={"to": "earliest"})).status == 200


async def test_who_names_a_partition_shares_with_nobody_and_commits_all_the_same(any_client):
    tail = any_client.topic + "/tail"
    async with (
        listening(any_client, tail, consumer_id="c", partition_id=1) as one,
        listening(any_client, tail, consumer_id="c", partition_id=1) as other,
    ):
        await post(any_client, 1, partition=1)
        assert (await one.next()).data == (await other.next()).data
        await until_committed(any_client, 1, partition=1)


async def test_workers_that_come_and_go_at_random_do_everything_at_least_once(any_client):
    """Four of them, cut again and again, each acknowledging what it did: nothing is skipped, and each sees order."""
    tail = any_client.topic + "/tail"
    chance = random.Random(11)
    done: set[str] = set()
    sent: list[str] = []
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            last: dict[int, int] = {}
            async with socket(any_client, tail, consumer_id="c") as opened:
                for _ in range(chance.randrange(5, 60)):
                    try:
                        message = await opened.receive_json(timeout=2)
                    except TimeoutError:
                        break
                    partition, offset = message["partition_id"], message["offset"]
                    assert offset > last.get(partition, -1) or offset == 0 or message["id"] in done
                    last[partition] = offset
                    done.add(message["id"])
                    if chance.random() < 0.3:
                        await opened.send_json({"ack": {"partition_id": partition, "offset": offset}})

    workers = [asyncio.ensure_future(work()) for _ in range(4)]
    for n in range(0, 300, 3):
        for partition in range(3):
            sent += await post(any_client, n + partition, partition=partition)
        await asyncio.sleep(0.03)
    async with asyncio.timeout(90):
        while len(done) < len(sent):
            await asyncio.sleep(0.1)
    stop.set()
    await asyncio.gather(*workers)
    assert done == set(sent)
