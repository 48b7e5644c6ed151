"""Listing topics costs the cluster the same number of requests, however many there are."""

import pytest
from aiokafka.client import AIOKafkaClient
from support import fresh_topic

from app.topic import TopicSpec

pytestmark = pytest.mark.kafka


@pytest.fixture
def requests(monkeypatch) -> list[str]:
    """The kinds of requests that aiokafka sends."""
    sent: list[str] = []
    send = AIOKafkaClient.send

    async def counted(client, node_id, request, **options):
        sent.append(type(request).__name__)
        return await send(client, node_id, request, **options)

    monkeypatch.setattr(AIOKafkaClient, "send", counted)
    return sent


async def test_a_hundred_topics_cost_as_many_requests_as_one(log, requests):
    names = [fresh_topic("overview") for _ in range(100)]
    for name in names:
        await log.create(TopicSpec(name, 1))
    await log.describe_many(names[:1])  # what is only asked for once is known by now
    requests.clear()
    await log.describe_many(names[:1])
    one = sorted(requests)
    requests.clear()
    infos = await log.describe_many(names)
    assert [info.name for info in infos] == names
    assert sorted(requests) == one
    assert len(one) <= 6
