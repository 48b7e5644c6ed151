"""Live feeds while Kafka is away: those who listen wait, and miss nothing."""

import asyncio
import uuid

import pytest
from listeners import listening
from samples import generic

pytestmark = pytest.mark.kafka


@pytest.fixture
async def client(start, own_kafka):
    stream = f"s{uuid.uuid4().hex[:12]}"
    url = f"kafka://{own_kafka.address}"
    async with start(BROKER_URL=url, DEFAULT_STREAM=stream, RECONNECT_BASE_DELAY_MS="100") as client:
        yield client


async def post(client, n: int) -> str:
    async with asyncio.timeout(60):
        while (sent := await client.post("/messages", {"event": generic(n), "partition_id": 0})).status != 201:
            await asyncio.sleep(0.2)
    return sent.body["event_id"]


@pytest.mark.parametrize("query", [{}, {"consumer_id": "away"}])
async def test_a_tail_goes_on_after_the_broker_has_started_again(client, own_kafka, query):
    async with listening(client, client.topic + "/tail", **query) as listener:
        before = await post(client, 1)
        assert (await listener.next()).data["id"] == before
        await asyncio.to_thread(own_kafka.stop)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_kafka.start)
        after = await post(client, 2)
        seen = [(await listener.next(60)).data["id"]]
        while seen[-1] != after:
            assert seen[-1] == before  # a consumer's may come again
            seen.append((await listener.next(60)).data["id"])
