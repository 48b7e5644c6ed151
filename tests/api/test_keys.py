"""Who may come in, and what for: keys, rights, wrong keys (API 1), on a real socket."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from listeners import socket
from samples import CANARY, generic
from support import publish

from app.door.key_file import edit_keys
from app.door.keys import Key, digest
from app.record import NewRecord

MASTER = f"a-key-of-the-setting-{CANARY}"
SEND = {"event": generic()}


def bearing(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def named(key_id: str, *scopes: str, secret: str = CANARY, **rest) -> Key:
    return Key(key_id, (digest(secret).hex(),), scopes, **rest)


def write(path, *keys: Key) -> None:
    edit_keys(path, lambda _: list(keys))


@pytest.fixture
async def locked(start):
    """A gateway with one key."""
    async with start(API_KEY=MASTER) as client:
        yield client


@pytest.fixture
async def shared(start, tmp_path):
    """A gateway with a file of keys, a stream of orders with two topics, and one of invoices."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    write(
        tmp_path / "keys.json",
        named("root", "admin"),
        named("shop", "produce:orders.*"),
        named("audit", "consume:orders.created"),
        named("default", "consume:sample-stream.events"),
        named("nothing"),
        named("former", "admin", expires_at=past),
    )
    async with start(API_KEYS_FILE=str(tmp_path / "keys.json"), API_KEY=MASTER) as client:
        for stream, topics in {"orders": ["created", "paid"], "invoices": ["sent"], "empty": []}.items():
            await client.post("/streams", {"name": stream}, headers=bearing(MASTER))
            for topic in topics:
                made = await client.post(f"/streams/{stream}/topics", {"name": topic}, headers=bearing(MASTER))
                assert made.status == 201
        yield client


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": MASTER}, {"Authorization": f"Bearer {MASTER}"}, {"authorization": f"bearer {MASTER}"},
     {"X-API-Key": MASTER, "Authorization": f"Bearer {MASTER}"}, {"X-API-Key": MASTER, "Authorization": "Basic eDp5"}],
)  # fmt: skip
async def test_the_key_opens_by_either_header(locked, headers):
    assert (await locked.post("/messages", SEND, headers=headers)).status == 201
    assert (await locked.post("/streams", {"name": "new"}, headers=headers)).status in (201, 409)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "API key required"),
        ({"X-API-Key": ""}, "API key required"),
        ({"Authorization": "Basic eDp5"}, "API key required"),
        ({"Authorization": "Bearer"}, "API key required"),
        ({"Authorization": MASTER}, "API key required"),
        ({"X-API-Key": MASTER + "x"}, "Invalid API key"),
        ({"X-API-Key": "gw_a_b"}, "Invalid API key"),
        ({"X-API-Key": MASTER, "Authorization": "Bearer other"}, "Invalid API key"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/stats"), ("GET", "/metrics"), ("POST", "/messages"), ("POST", "/streams/a/topics/b/messages/batch"),
     ("GET", "/nowhere"), ("DELETE", "/messages"), ("PROPFIND", "/streams"), ("GET", "/streams/none"),
     ("GET", "/health/"), ("GET", "/health/ready"), ("GET", "/Health")],
)  # fmt: skip
async def test_without_a_valid_key_every_path_says_the_same(locked, method, path, headers, message):
    answer = await locked(method, path, headers={"X-Request-Id": "id-1", **headers}, json=SEND)
    expected = {"error": "unauthorized", "message": message, "request_id": "id-1"}
    told = {"outcome": "not_written"} if method == "POST" else {}
    assert (answer.status, answer.body) == (401, expected | told)
    assert answer.headers["WWW-Authenticate"] == "API-Key"
    assert answer.headers["X-Request-Id"] == "id-1"


async def test_two_keys_in_one_header_are_not_one(locked):
    answer = await locked("GET", "/stats", headers=[("X-API-Key", MASTER), ("X-API-Key", "other")])
    assert (answer.status, answer.body["message"]) == (401, "Invalid API key")


async def test_some_paths_need_no_key(locked):
    assert (await locked.get("/health")).status == 200
    assert (await locked.get("/ready", headers=bearing("wrong"))).status == 200
    assert (await locked("DELETE", "/health")).status == 405


async def test_which_these_are_is_a_setting(start):
    async with start(API_KEY=MASTER, AUTH_BYPASS_PATHS="/stats, /streams") as client:
        assert (await client.get("/stats")).status == 200
        assert [stream["name"] for stream in (await client.get("/streams")).body] == ["sample-stream"]
        assert (await client.get("/health")).status == 401
        assert (await client.get("/streams/sample-stream")).status == 401


async def test_a_valid_key_learns_what_is_not_there(locked):
    assert (await locked.get("/nowhere", headers=bearing(MASTER))).status == 404
    assert (await locked("DELETE", "/messages", headers=bearing(MASTER))).status == 405


async def test_a_key_in_the_query_is_taken_only_when_told_to(start, locked):
    path = f"/stats?api_key={MASTER}"
    assert (await locked.get(path)).body["message"] == "API key required"
    async with start(API_KEY=MASTER, API_KEY_IN_QUERY="true") as client:
        assert (await client.get(path)).status == 200
        assert (await client.get(path, headers=bearing("other"))).status == 401


async def test_without_keys_everybody_may_do_everything(client):
    assert (await client.post("/streams", {"name": "open"}, headers=bearing("whatever"))).status == 201
    assert len((await client.get("/streams")).body) == 2


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        ("shop", "POST", "/streams/orders/topics/created/messages", 201),
        ("shop", "POST", "/streams/orders/topics/created/messages/batch", 201),
        ("shop", "POST", "/streams/orders/topics/none/messages", 404),
        ("shop", "POST", "/streams/orders/topics/crea%74ed/messages", 201),
        ("shop", "POST", "/streams/invoices/topics/sent/messages", 403),
        ("shop", "POST", "/streams/orders.x/topics/created/messages", 404),
        ("shop", "POST", "/messages", 403),
        ("shop", "GET", "/streams/orders/topics/created/messages", 403),
        ("shop", "GET", "/streams/orders/topics/created/offsets", 403),
        ("shop", "GET", "/streams/orders/topics/created", 200),
        ("shop", "HEAD", "/streams/orders/topics/created", 200),
        ("shop", "HEAD", "/streams/invoices/topics/sent", 403),
        ("shop", "DELETE", "/streams/orders/topics/created", 403),
        ("shop", "PATCH", "/streams/orders/topics/created", 403),
        ("shop", "POST", "/streams/orders/topics", 403),
        ("shop", "POST", "/streams", 403),
        ("shop", "DELETE", "/streams/orders", 403),
        ("audit", "GET", "/streams/orders/topics/created/messages", 200),
        ("audit", "GET", "/streams/orders/topics/paid/messages", 403),
        ("audit", "GET", "/streams/orders/topics/paid", 403),
        ("audit", "POST", "/streams/orders/topics/created/messages", 403),
        ("audit", "GET", "/streams/orders/topics/created/offsets", 200),
        ("audit", "DELETE", "/streams/orders/topics/created/offsets", 204),
        ("audit", "DELETE", "/streams/orders/topics/paid/offsets", 403),
        ("default", "GET", "/messages", 200),
        ("default", "POST", "/messages", 403),
        ("nothing", "GET", "/stats", 200),
        ("nothing", "GET", "/metrics", 200),
        ("nothing", "GET", "/streams", 200),
        ("nothing", "GET", "/streams/orders", 403),
        ("root", "PATCH", "/streams/orders/topics/created", 200),
        ("root", "DELETE", "/streams/orders", 204),
        ("root", "GET", "/streams/none", 404),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(shared, key, method, path, status):
    body = {"partitions": 2} if method == "PATCH" else {"events": [generic()]} if path.endswith("batch") else SEND
    answer = await shared(
        method, path, headers=bearing(f"gw_{key}_{CANARY}"), **({} if method == "GET" else {"json": body})
    )
    assert answer.status == status, answer.body
    if status == 403 and method != "HEAD":
        assert answer.body["error"] == "forbidden"
        assert ("outcome" in answer.body) == (method == "POST" and "messages" in path)


@pytest.mark.parametrize("path", ["/streams/{}", "/streams/{}/topics", "/streams/{}/topics/sent", "/consumers/{}"])
async def test_what_a_key_may_not_see_looks_like_what_is_not_there(shared, path):
    await shared.get("/streams/invoices/topics/sent/messages?auto_commit=true&consumer_id=inv", headers=bearing(MASTER))
    there = "http-inv" if "consumers" in path else "invoices"
    headers = {**bearing(f"gw_shop_{CANARY}"), "X-Request-Id": "same"}
    seen = [await shared.get(path.format(name), headers=headers) for name in (there, "no-such-thing")]
    assert seen[0].status == seen[1].status == 403
    assert seen[0].body == seen[1].body


async def test_lists_show_and_count_only_what_a_key_may_see(shared):
    async def names(key, path):
        return [found["name"] for found in (await shared.get(path, headers=bearing(key))).body]

    for topic in ("created", "paid"):
        await shared.post(f"/streams/orders/topics/{topic}/messages", SEND, headers=bearing(MASTER))
    assert await names(f"gw_root_{CANARY}", "/streams") == ["empty", "invoices", "orders", "sample-stream"]
    assert await names(f"gw_shop_{CANARY}", "/streams") == ["orders"]
    assert await names(f"gw_nothing_{CANARY}", "/streams") == []
    assert await names(f"gw_shop_{CANARY}", "/streams/orders/topics") == ["created", "paid"]
    assert await names(f"gw_audit_{CANARY}", "/streams/orders/topics") == ["created"]
    shown = (await shared.get("/streams/orders", headers=bearing(f"gw_audit_{CANARY}"))).body
    assert (shown["topics_count"], shown["messages_count"]) == (1, 1)
    assert (await shared.get("/streams", headers=bearing(f"gw_audit_{CANARY}"))).body == [shown]


async def test_groups_are_seen_by_the_topics_they_read(shared):
    async def see(key, path=""):
        return (await shared.get(f"/consumers{path}", headers=bearing(key))).body

    for stream, topic in (("orders", "created"), ("orders", "paid"), ("invoices", "sent")):
        path = f"/streams/{stream}/topics/{topic}"
        await shared.post(f"{path}/messages", SEND, headers=bearing(MASTER))
        for consumer in ["all", topic]:
            query = f"consumer_id={consumer}&auto_commit=true"
            await shared.get(f"{path}/messages?{query}", headers=bearing(MASTER))
    assert [group["consumer_id"] for group in await see(MASTER)] == ["all", "created", "paid", "sent"]
    assert [group["consumer_id"] for group in await see(f"gw_audit_{CANARY}")] == ["all", "created"]
    assert [place["topic"] for place in (await see(MASTER, "/http-all"))["partitions"]] == ["sent", "created", "paid"]
    assert [place["topic"] for place in (await see(f"gw_audit_{CANARY}", "/http-all"))["partitions"]] == ["created"]
    assert await see(f"gw_nothing_{CANARY}") == []
    assert (await shared.get("/consumers/none", headers=bearing(MASTER))).status == 404


async def test_an_expired_key_is_told_no_more_than_a_wrong_one(shared):
    seen = [
        await shared.get("/stats", headers={**bearing(key), "X-Request-Id": "same"})
        for key in (f"gw_former_{CANARY}", "gw_shop_wrong", f"gw_nobody_{CANARY}")
    ]
    assert [answer.status for answer in seen] == [401] * 3
    assert seen[0].body == seen[1].body == seen[2].body
    refusals = (await shared.get("/metrics", headers=bearing(MASTER))).body.decode()
    assert 'sluice_refusals_total{key="former",reason="expired"} 1.0' in refusals
    assert 'sluice_refusals_total{key="_unknown",reason="wrong"} 2.0' in refusals
    await shared.get("/streams/orders", headers=bearing(f"gw_nothing_{CANARY}"))
    refusals = (await shared.get("/metrics", headers=bearing(MASTER))).body.decode()
    assert 'sluice_refusals_total{key="nothing",reason="forbidden"} 1.0' in refusals


async def test_an_edit_of_the_file_takes_effect_while_the_gateway_runs(start, tmp_path):
    file = tmp_path / "keys.json"
    write(file, named("shop", "admin"))
    async with start(API_KEYS_FILE=str(file)) as client:

        async def until(key: str, status: int) -> None:
            async with asyncio.timeout(60):
                while (await client.get("/stats", headers=bearing(key))).status != status:
                    await asyncio.sleep(0.05)

        await until(f"gw_shop_{CANARY}", 200)
        file.write_text("{")
        await until(f"gw_shop_{CANARY}", 200)
        file.unlink()
        write(file, named("bank", "admin"))
        await until(f"gw_bank_{CANARY}", 200)
        assert (await client.get("/stats", headers=bearing(f"gw_shop_{CANARY}"))).status in (401, 429)


async def test_wrong_keys_are_few_and_a_valid_one_always_passes(locked):
    answers = [await locked.post("/messages", SEND, headers=bearing(f"wrong-{number}")) for number in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]
    last = answers[-1]
    assert (last.body["error"], last.body["outcome"]) == ("too_many_requests", "not_written")
    assert 1 <= int(last.headers["Retry-After"]) <= 6
    assert (await locked.get("/stats", headers=bearing(MASTER))).status == 200
    assert (await locked.get("/stats")).status == 401
    assert (await locked.get("/health", headers=bearing("wrong"))).status == 200
    refusals = (await locked.get("/metrics", headers=bearing(MASTER))).body.decode()
    assert 'sluice_refusals_total{key="_unknown",reason="too_many_wrong"} 1.0' in refusals


async def test_a_live_feed_ends_with_its_key_or_its_right_and_says_so(start, tmp_path):
    file, tail = tmp_path / "keys.json", "/streams/sample-stream/topics/events/tail"
    keys = {key_id: named(key_id, "consume:*") for key_id in ("gone", "less", "stays")}
    write(file, *keys.values())
    async with start(API_KEYS_FILE=str(file)) as client, AsyncExitStack() as stack:
        opened = {}
        for key_id in keys:
            headers = bearing(f"gw_{key_id}_{CANARY}")
            opened[key_id] = await stack.enter_async_context(socket(client, tail, headers=headers))
        write(file, named("less", "produce:*"), keys["stays"])
        assert (await opened["gone"].receive_json())["error"] == "unauthorized"
        assert (await opened["gone"].receive()).data == 1008
        assert (await opened["less"].receive_json())["error"] == "forbidden"
        assert (await opened["less"].receive()).data == 1008
        await publish(client.gateway.log, "sample-stream.events", NewRecord.of(0, b"{}", 0))
        assert (await opened["stays"].receive_json())["offset"] == 0


async def test_a_live_feed_ends_when_its_key_expires(start, tmp_path):
    file, tail = tmp_path / "keys.json", "/streams/sample-stream/topics/events/tail"
    write(file, named("brief", "consume:*", expires_at=datetime.now(UTC) + timedelta(seconds=2)))
    headers = bearing(f"gw_brief_{CANARY}")
    async with start(API_KEYS_FILE=str(file)) as client, socket(client, tail, headers=headers) as opened:
        async with asyncio.timeout(7):
            assert (await opened.receive_json())["error"] == "unauthorized"
