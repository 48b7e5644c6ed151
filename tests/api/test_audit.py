"""The audit trail: who changed what, and what befell the gateway, on `_gateway-audit`."""

import asyncio
import json

import pytest
from clients import running
from samples import CANARY, generic
from support import read_all

from app.door.key_file import edit_keys
from app.door.keys import Key, digest
from app.gateway.audit import AUDIT_TOPIC


@pytest.fixture(params=["memory", "sqlite"])
async def client(request, tmp_path):
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/log.db"}[request.param]
    async with running(BROKER_URL=url) as client:
        yield client


async def trail(client, *, system: bool = False) -> list[dict]:
    """The events on the topic once all that was told is written, those of the gateway itself only when asked for."""
    await client.gateway.trail.flush()
    events = [json.loads(record.value) for record in await read_all(client.gateway.log, AUDIT_TOPIC)]
    return [event for event in events if system or event["payload"]["data"]["who"]]


def told(event: dict) -> tuple:
    data = event["payload"]["data"]
    return event["event_type"], data["resource"], data["outcome"]


async def test_every_change_is_told_with_its_resource(client):
    await client.post("/streams", {"name": "orders"})
    await client.post("/streams/orders/topics", {"name": "paid", "partitions": 2})
    await client("PATCH", "/streams/orders/topics/paid", json={"partitions": 3})
    await client("PUT", "/streams/orders/topics/paid/offsets?consumer_id=c", json={"to": "earliest"})
    await client("DELETE", "/streams/orders/topics/paid/offsets?consumer_id=c")
    await client("DELETE", "/streams/orders/topics/paid")
    await client("DELETE", "/streams/orders")
    topic = {"stream": "orders", "topic": "paid"}
    assert [told(event) for event in await trail(client)] == [
        ("stream.created", {}, "done"),
        ("topic.created", {"stream": "orders"}, "done"),
        ("topic.altered", topic, "done"),
        ("offsets.set", topic | {"consumer_id": "c"}, "done"),
        ("offsets.forgotten", topic | {"consumer_id": "c"}, "done"),
        ("topic.deleted", topic, "done"),
        ("stream.deleted", {"stream": "orders"}, "done"),
    ]


async def test_it_says_who_and_what_came_of_it(client):
    await client.post("/streams", {"name": "orders"})
    await client.post("/streams/orders/topics", {"name": "paid"}, headers={"X-Request-Id": "r-1"})
    event = (await trail(client))[-1]
    assert (event["source"], event["payload"]["type"]) == ("sluice", "Generic")
    data = event["payload"]["data"]
    assert data["who"] == {"key_id": None, "address": "127.0.0.1", "request_id": "r-1"}
    assert (data["after"]["name"], data["after"]["partitions_count"]) == ("paid", 1)
    assert "partitions" not in data["after"]
    record = (await read_all(client.gateway.log, AUDIT_TOPIC))[-1]
    assert dict(record.headers)["request-id"] == b"r-1"
    assert dict(record.headers)["event-id"].decode() == event["id"]


async def test_what_changed_nothing_is_not_told(client):
    before = await trail(client)
    await client.post("/streams", {"name": "sample-stream"})  # exists
    await client.post("/streams", {"name": "not a name"})
    await client("DELETE", "/streams/nowhere")
    await client("PUT", "/streams/sample-stream/topics/events/offsets?dry_run=true", json={"to": "latest"})
    await client.get("/streams")
    await client.post("/messages", {"event": generic()})
    assert await trail(client) == before


async def test_the_gateway_tells_of_itself(tmp_path):
    url = f"sqlite:///{tmp_path}/log.db"
    async with running(BROKER_URL=url):
        pass
    async with running(BROKER_URL=url) as client:
        client.gateway.trail.broker_changed(connected=False, reason="gone")
        client.gateway.trail.broker_changed(connected=True, reason=None)
        events = await trail(client, system=True)
    assert [event["event_type"] for event in events] == [
        "gateway.started", "gateway.stopping", "gateway.started", "broker.lost", "broker.recovered",
    ]  # fmt: skip
    assert events[3]["payload"]["data"] == {"who": None, "reason": "gone"}


async def test_it_is_kept_for_thirty_days_and_hidden(client):
    await trail(client)
    [info] = await client.gateway.log.describe_many([AUDIT_TOPIC])
    assert info.configs["retention.ms"] == "2592000000"
    assert (await client.get(f"/streams/-/topics/{AUDIT_TOPIC}/messages")).status == 404
    assert AUDIT_TOPIC not in str((await client.get("/streams")).body)


@pytest.fixture
async def guarded(start, tmp_path):
    """A gateway with a key for everything, and one for reading alone."""
    path = tmp_path / "keys.json"
    edit_keys(path, lambda _: [key("root", "admin"), key("reader", "consume:*")])
    async with start(API_KEYS_FILE=str(path)) as client:
        yield client, path


def key(key_id: str, *scopes: str) -> Key:
    return Key(key_id, (digest(CANARY).hex(),), scopes)


def bearing(key_id: str) -> dict[str, str]:
    return {"X-API-Key": f"gw_{key_id}_{CANARY}"}


async def test_it_names_the_key_also_of_what_was_forbidden(guarded):
    client, _ = guarded
    assert (await client.post("/streams", {"name": "mine"}, headers=bearing("root"))).status == 201
    assert (await client("DELETE", "/streams/mine", headers=bearing("reader"))).status == 403
    assert (await client("DELETE", "/streams/mine")).status == 401
    created, refused = await trail(client)
    assert (created["payload"]["data"]["who"]["key_id"], *told(created)) == ("root", "stream.created", {}, "done")
    assert refused["payload"]["data"]["who"]["key_id"] == "reader"
    assert told(refused) == ("stream.deleted", {"stream": "mine"}, "forbidden")
    assert refused["payload"]["data"]["refused_before"] == 0


async def test_a_key_without_rights_can_not_fill_it(guarded):
    client, _ = guarded
    for n in range(20):
        assert (await client("DELETE", f"/streams/s{n}", headers=bearing("reader"))).status == 403
    assert [told(event) for event in await trail(client)] == [("stream.deleted", {"stream": "s0"}, "forbidden")]


async def test_only_a_key_with_the_admin_scope_reads_it(guarded):
    client, _ = guarded
    await trail(client)
    path = f"/streams/-/topics/{AUDIT_TOPIC}/messages"
    shown = await client.get(path, headers=bearing("root"))
    assert [message["event"]["event_type"] for message in shown.body["messages"]] == ["gateway.started"]
    assert (await client.get(path, headers=bearing("reader"))).status == 404
    assert (await client.post(path, {"event": generic()}, headers=bearing("root"))).status == 404
    assert (await client("DELETE", path.removesuffix("/messages"), headers=bearing("root"))).status == 404
    catalog = "/streams/-/topics/_gateway-catalog/messages"
    assert (await client.get(catalog, headers=bearing("root"))).status == 404


async def test_changed_keys_are_told(guarded):
    client, path = guarded
    edit_keys(path, lambda keys: keys[:1])
    async with asyncio.timeout(30):
        while (last := (await trail(client, system=True))[-1])["event_type"] != "keys.reloaded":
            await asyncio.sleep(0.1)
    assert last["payload"]["data"] == {"who": None, "keys": 1}
