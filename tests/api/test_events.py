"""`/events`: the log by attribute, as users of the two event trackers know it."""

import asyncio
import contextlib
import re
import sqlite3
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from clients import running
from samples import CANARY, generic

from app.door.key_file import edit_keys
from app.door.keys import Key, digest

DEFAULT = "sample-stream.events"


@pytest.fixture
async def events(database_url):
    async with running(DATABASE_URL=database_url) as client:
        yield client


async def ids(client, path="/events", **query):
    found = await client.get(path, params=query)
    assert found.status == 200, found.body
    return [event["id"] for event in found.body]


async def post(client, event_type="login", timestamp="2026-01-01T12:00:00Z", **members):
    posted = await client.post("/events", {"event_type": event_type, "timestamp": timestamp, "payload": {}, **members})
    assert posted.status == 201, posted.body
    return posted.body["id"]


async def test_the_two_trackers_requests(events):
    first = await events.post(
        "/events",
        {"event_type": "user_signup", "timestamp": 1767225600, "payload": {"user_id": "12345", "source": "web"}},
    )
    second = await events.post(
        "/events", {"event_type": "login", "timestamp": "2026-01-01T12:00:00Z", "payload": {"user_id": 1}}
    )
    assert (first.status, second.status) == (201, 201)
    assert first.headers["Location"] == f"/events/{first.body['id']}"
    one, two = first.body["id"], second.body["id"]
    assert await ids(events) == [one, two]
    assert await ids(events, type="user_signup") == [one]
    assert await ids(events, start="1767225600", end="1767229200") == [one]
    assert await ids(events, type="user_signup", start="1767225600", end="1767229200") == [one]
    assert await ids(events, event_type="login", start="2026-01-01T12:00:00Z", end="2026-01-01T23:59:59Z") == [two]
    shown = await events.get(f"/events/{one}")
    assert shown.body == first.body
    assert shown.body["payload"] == {"user_id": "12345", "source": "web"}


async def test_ranges_include_both_ends_and_unknown_parameters_are_ignored(events):
    at = await post(events, timestamp="2026-01-01T12:00:00.000001Z")
    assert await ids(events, start="2026-01-01T12:00:00.000001Z", end="2026-01-01T12:00:00.000001Z", colour="red") == [
        at
    ]
    assert await ids(events, start="2026-01-01T12:00:00.000002Z") == []
    assert await ids(events, end="2026-01-01T12:00:00Z") == []
    assert await ids(events, type="") == []


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2", "end": "1"},
        {"start": "yesterday"},
        {"type": "a", "event_type": "b"},
        {"limit": "0"},
        {"limit": "1001"},
        {"cursor": "!"},
        {"order": "up"},
        {"from_version": "-1"},
    ],
)
async def test_what_cannot_be_meant_is_refused(events, query):
    assert (await events.get("/events", params=query)).body["error"] == "validation_error"


async def test_every_filter_finds_its_own(events):
    await post(events)
    members = {"aggregate_id": "a", "aggregate_type": "Order", "version": 3, "source": "web"}
    correlation = str(uuid.uuid4())
    mine = await post(events, correlation_id=correlation, **members)
    filters = {"aggregate_id": "a", "aggregate_type": "Order", "source": "web", "correlation_id": correlation}
    for name, value in {**filters, "from_version": "3", "to_version": "3"}.items():
        assert await ids(events, **{name: value}) == [mine], name
    assert await ids(events, aggregate_id="a", from_version="4") == []
    assert len(await ids(events, stream="sample-stream", topic="events")) == 2
    assert await ids(events, stream="other") == []


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_follow_each_other_by_their_links(events, order):
    posted = [await post(events, timestamp=1000 + n // 2) for n in range(7)]
    seen, path = [], f"/events?limit=3&order={order}&type=login"
    while path:
        page = await events.get(path)
        seen += [(event["timestamp"], event["id"]) for event in page.body]
        link = page.headers.get("Link")
        path = link and link.removeprefix("<").removesuffix('>; rel="next"')
    assert seen == sorted(seen, reverse=order == "desc")
    assert {event_id for _, event_id in seen} == set(posted)
    assert len(seen) == 7


async def test_events_sent_as_messages_are_found_and_repeats_are_one(events):
    event = generic({"digits": 1}, id=str(uuid.uuid4()))
    for partition in (0, 1):
        await events.post("/messages", {"event": event, "partition_id": partition})
    assert await ids(events) == [event["id"]]


async def test_a_repeat_is_answered_with_what_is_stored(events):
    event_id = await post(events)
    again = await events.post("/events", {"id": event_id, "event_type": "other", "payload": {}})
    assert (again.status, again.body["event_type"]) == (200, "login")


async def test_counts_by_type_and_time(events):
    for at in ("2026-01-01T12:10:00Z", "2026-01-01T12:50:00Z", "2026-01-02T00:00:00Z"):
        await post(events, timestamp=at)
    counts = (await events.get("/events/summary?bucket=hour")).body
    assert counts == [
        {"bucket": "2026-01-01T12:00:00Z", "event_type": "login", "count": 2},
        {"bucket": "2026-01-02T00:00:00Z", "event_type": "login", "count": 1},
    ]
    assert [c["count"] for c in (await events.get("/events/summary?bucket=day&end=2026-01-01T23:00:00Z")).body] == [2]


@pytest.mark.parametrize("event_id", [str(uuid.uuid4()), "17"])
async def test_an_unknown_event_is_not_found(events, event_id):
    assert (await events.get(f"/events/{event_id}")).status == 404


@pytest.mark.parametrize(
    "body", ["", "{", '{"event_type": "x"}', '{"event_type": "x", "payload": 1}', '{"payload": {}}']
)
async def test_what_is_no_event_is_refused_and_not_written(events, body):
    refused = await events.post_bytes("/events", body.encode())
    assert (refused.status, refused.body["outcome"]) == (400, "not_written")


async def test_turned_off_it_says_how_to_turn_it_on(client):
    for method, path in (("GET", "/events"), ("GET", "/events/summary"), ("GET", "/events/x"), ("POST", "/events")):
        answer = await client(method, path, json={} if method == "POST" else None)
        assert answer.status == 404
        assert "DATABASE_URL" in answer.body["message"]


async def test_after_a_restart_it_goes_on_where_it_was(tmp_path, database_url):
    urls = {"BROKER_URL": f"sqlite:///{tmp_path}/log.db", "DATABASE_URL": database_url}
    async with running(**urls) as client:
        first = await post(client, timestamp=1)
        await ids(client)
    async with running(**urls) as client:
        second = await post(client, timestamp=2)
        assert await ids(client) == [first, second]


async def test_a_lost_index_is_made_again_from_the_log(tmp_path):
    log = f"sqlite:///{tmp_path}/log.db"
    async with running(BROKER_URL=log, DATABASE_URL=f"sqlite:///{tmp_path}/one.db") as client:
        event_id = await post(client)
    async with running(BROKER_URL=log, DATABASE_URL=f"sqlite:///{tmp_path}/two.db") as client:
        assert await ids(client) == [event_id]


async def test_of_another_log_at_the_same_offsets_all_is_indexed_again(database_url):
    async with running(DATABASE_URL=database_url) as client:
        old = [await post(client) for _ in range(4)]
        assert len(await ids(client)) == 4
    async with running(DATABASE_URL=database_url) as client:  # the log was memory: it begins anew
        new = [await post(client, event_type="new") for _ in range(8)]
        assert set(await ids(client)) == set(new)
        assert not set(old) & set(new)


async def test_a_deleted_topic_takes_its_events_along(database_url):
    settings = {"DATABASE_URL": database_url, "EVENT_INDEX_TOPICS": f"{DEFAULT},gone.soon"}
    async with running(**settings) as client:
        kept = await post(client)
        await client.post("/streams", {"name": "gone"})
        await client.post("/streams/gone/topics", {"name": "soon"})
        path = "/streams/gone/topics/soon"
        await client.post(f"{path}/messages", {"event": generic(1)})
        assert len(await ids(client)) == 2
        await client("DELETE", path)
        while await ids(client) != [kept]:
            pass


async def test_no_more_than_the_bound_is_kept_and_the_oldest_go(database_url):
    async with running(DATABASE_URL=database_url, EVENT_INDEX_MAX_EVENTS="2") as client:
        posted = []
        for n in range(4):
            posted.append(await post(client, timestamp=n))
            await ids(client)
        assert len(await ids(client)) == 2
        assert posted[-1] in await ids(client)


async def test_a_key_finds_only_what_it_may_read(tmp_path, database_url):
    scopes = {"reader": "consume:sample-stream.*", "writer": "produce:*.*", "other": "consume:other.*", "all": "admin"}
    keys = [Key(name, (digest(CANARY).hex(),), (scope,)) for name, scope in scopes.items()]
    edit_keys(tmp_path / "keys.json", lambda _: keys)
    async with running(DATABASE_URL=database_url, API_KEYS_FILE=str(tmp_path / "keys.json")) as client:
        headers = {name: {"X-API-Key": f"gw_{name}_{CANARY}"} for name in scopes}
        event = {"id": str(uuid.uuid4()), "event_type": "t", "payload": {}}
        assert (await client.post("/events", event, headers=headers["reader"])).status == 403
        posted = await client.post("/events", event, headers=headers["writer"])
        guess = event | {"event_type": "guess"}
        repeated = await client.post("/events", guess, headers=headers["writer"])
        assert (repeated.status, repeated.body["event_type"]) == (200, "guess")  # not what is stored
        for name, sees in {"reader": True, "all": True, "writer": False, "other": False}.items():
            assert len((await client.get("/events", headers=headers[name])).body) == sees, name
            assert len((await client.get("/events/summary", headers=headers[name])).body) == sees, name
            shown = await client.get(posted.headers["Location"], headers=headers[name])
            assert shown.status == (200 if sees else 404), name


async def test_what_was_acknowledged_is_in_the_very_next_answer_on_every_broker(broker_url, database_url):
    stream = f"s{uuid.uuid4().hex[:12]}"
    async with running(BROKER_URL=broker_url, DATABASE_URL=database_url, DEFAULT_STREAM=stream) as client:
        for n in range(10):
            posted = await post(client, timestamp=n)
            found = await client.get("/events?order=desc&limit=1")
            assert "X-Index-Lag" not in found.headers
            assert [event["id"] for event in found.body] == [posted]


@contextlib.contextmanager
def nobody_writes(database_url: str) -> Iterator[None]:
    """Somebody else holds the index's positions; they can be read."""
    if database_url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute("LOCK TABLE event_index_positions IN EXCLUSIVE MODE")
            yield


async def lag(client) -> float:
    text = (await client.get("/metrics")).body.decode()
    return float(re.search(r"^sluice_index_lag (\S+)$", text, re.MULTILINE)[1])


async def test_what_is_missing_after_the_wait_is_told(database_url):
    async with running(DATABASE_URL=database_url, EVENT_INDEX_WAIT_MS="200") as client:
        first = await post(client)
        assert await ids(client) == [first]
        with nobody_writes(database_url):
            posted = [await post(client, timestamp=n) for n in range(3)]
            for path in ("/events", f"/events/{first}", "/events/summary"):
                found = await client.get(path)
                assert (found.status, found.headers["X-Index-Lag"]) == (200, "3"), path
            missing = await client.get(f"/events/{posted[0]}")
            assert (missing.status, missing.headers["X-Index-Lag"]) == (404, "3")
            assert [event["id"] for event in (await client.get("/events")).body] == [first]
            assert await lag(client) > 0
        async with asyncio.timeout(60):
            while "X-Index-Lag" in (await client.get("/events")).headers:
                pass
        assert await ids(client) == [*posted, first]
        assert await lag(client) == 0


async def test_without_patience_nobody_waits_and_the_lag_is_told(broker_url, database_url):
    stream = f"s{uuid.uuid4().hex[:12]}"
    settings = {"BROKER_URL": broker_url, "DEFAULT_STREAM": stream, "EVENT_INDEX_WAIT_MS": "0"}
    async with running(DATABASE_URL=database_url, **settings) as client:
        with nobody_writes(database_url):
            await post(client)
            assert (await client.get("/events")).headers["X-Index-Lag"] == "1"


async def test_a_listed_topic_that_is_missing_is_waited_for_and_not_made(database_url):
    async with running(DATABASE_URL=database_url, EVENT_INDEX_TOPICS="later.topic") as client:
        assert await ids(client) == []
        assert (await client.get("/streams/later")).status == 404
        await client.post("/streams", {"name": "later"})
        await client.post("/streams/later/topics", {"name": "topic"})
        event = generic(1, id=str(uuid.uuid4()))
        await client.post("/streams/later/topics/topic/messages", {"event": event})
        assert await ids(client) == [event["id"]]
