"""GET /health, /ready and /metrics (API 5)."""

import asyncio
import re
import time

import pytest
from samples import generic

from app import __version__


async def test_health_tells_the_state_of_things(any_client, broker_url):
    answer = await any_client.get("/health")
    assert answer.status == 200
    assert answer.body["status"] == "healthy"
    assert answer.body["broker_connected"] is True
    assert answer.body["broker"] == broker_url.partition(":")[0]
    assert answer.body["timestamp"].endswith("Z")
    assert answer.body["components"]["broker"] == "up"


async def test_ready_has_no_body(any_client):
    answer = await any_client.get("/ready")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_stopping_gateway_is_healthy_no_more_and_not_ready(client):
    client.gateway.health.stop()
    ready = await client.get("/ready")
    assert (ready.status, ready.body) == (503, b"")
    assert ready.headers["Connection"] == "close"
    health = await client.get("/health")
    assert (health.status, health.body["status"]) == (200, "degraded")


async def metrics(client, headers: dict[str, str] | None = None) -> dict[str, float]:
    text = (await client.get("/metrics", headers=headers)).body.decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


async def test_what_happens_is_counted(client):
    event = generic(id="7d0c1f52-6f0e-4c1c-9f8e-0d8f3a0b1c01")
    await client.post("/messages", {"event": event, "partition_id": 0})
    await client.post("/messages", {"event": event, "partition_id": 0})
    await client.post("/messages/batch", {"messages": [{"event": generic(), "partition_id": 0}] * 3})
    await client.poll(0)
    await client.get("/streams/no/topics/no/messages")
    await client.post("/streams/no/topics/no/messages", {"event": generic()})
    found = await metrics(client)
    topic = 'stream="sample-stream",topic="events"'
    assert found["events_created_total"] == 4
    assert found[f'sluice_messages_sent_total{{status="ok",{topic}}}'] == 5
    assert found['sluice_messages_sent_total{status="failed",stream="_unknown",topic="_unknown"}'] == 1
    assert found[f"sluice_messages_polled_total{{{topic}}}"] == 4
    assert found[f"sluice_send_duration_seconds_count{{{topic}}}"] == 3
    assert found[f"sluice_poll_duration_seconds_count{{{topic}}}"] == 1
    assert found["sluice_connection_status"] == 1
    count = "http_request_duration_seconds_count"
    assert found[f'{count}{{method="POST",route="/messages",status="201"}}'] == 1
    assert found[f'{count}{{method="POST",route="/messages",status="200"}}'] == 1
    route = "/streams/{stream}/topics/{topic}/messages"
    assert found[f'{count}{{method="GET",route="{route}",status="404"}}'] == 1


async def test_labels_never_repeat_what_clients_make_up(client):
    for n in range(20):
        await client.get(f"/made-up-{n}")
        await client.get(f"/streams/made-up-{n}/topics/made-up/messages")
        await client("GET" + "X" * n if n else "BREW", "/messages")
    assert not [name for name in await metrics(client) if re.search(r"made-up|BREW|GETX", name)]


async def test_openmetrics_is_given_to_those_who_accept_it(client):
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


async def test_totals_are_read_in_the_background(start, broker_url):
    async with start(BROKER_URL=broker_url, STATS_CACHE_TTL_SECS="0.1", DEFAULT_STREAM="stats-1") as client:
        before = await totals(client)
        stream = await client.stream()
        await client.post(f"/streams/{stream}/topics", {"name": "t"})
        await client.post(f"/streams/{stream}/topics/t/messages", {"event": generic()})
        until = time.monotonic() + 10
        while (after := await totals(client))["total_messages"] == before["total_messages"]:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        assert after["streams_count"] == before["streams_count"] + 1
        assert after["topics_count"] == before["topics_count"] + 1
        assert after["total_size_bytes"] > before["total_size_bytes"]
        assert after["uptime_seconds"] > before["uptime_seconds"]
        assert 0 <= after["cache_age_seconds"] < 5
        assert after["cache_stale"] is False


async def totals(client) -> dict:
    """The first ones that were read."""
    while (answer := await client.get("/stats")).body["streams_count"] is None:
        await asyncio.sleep(0.02)
    return answer.body


async def test_without_a_broker_the_totals_are_said_to_be_stale(start):
    async with start(BROKER_URL="kafka://127.0.0.1:1", RECONNECT_MAX_DELAY_MS="1000") as client:
        answer = await client.get("/stats")
        assert (answer.status, answer.body["streams_count"], answer.body["cache_stale"]) == (200, None, True)


async def test_hostile_clients_make_no_series(start):
    async with start(API_KEY="master-key") as client:
        good = {"X-API-Key": "master-key"}

        async def series_after(name: str) -> set[str]:
            for n in range(15):
                made_up = f"{name}{n}"
                topic = f"/streams/{made_up}/topics/{made_up}"
                body = {"event": generic()}
                for headers in (good, {"X-API-Key": made_up}, {}):
                    await client.get(f"/{made_up}", headers=headers)
                    await client(made_up.upper(), "/messages", headers=headers)
                    await client.post(f"{topic}/messages", body, headers=headers)
                    await client.get(f"{topic}/messages?consumer_id={made_up}&auto_commit=true", headers=headers)
                    await client.get(f"/messages?consumer_id={made_up}", headers=headers | {"X-Request-Id": made_up})
            return set(await metrics(client, good))

        await series_after("a")  # each route with each status that it can answer, and /metrics itself
        first = await series_after("b")
        assert await series_after("c") == first
        assert len(first) < 1200


async def test_what_is_behind_is_read_in_the_background(start, broker_url):
    async with start(BROKER_URL=broker_url, STATS_CACHE_TTL_SECS="0.1", DEFAULT_STREAM="lag-1") as client:
        await client.post("/messages/batch", {"messages": [{"event": generic(), "partition_id": 0}] * 5})
        await client.poll(0, consumer_id="late", auto_commit="true", count=2)
        lag = 'sluice_consumer_lag{group="http-late",partition="0",stream="lag-1",topic="events"}'
        until = time.monotonic() + 20
        while (await metrics(client)).get(lag) != 3:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        found = await metrics(client)
        assert found["sluice_log_messages"] >= 5
        assert found[f'sluice_build{{broker="{broker_url.partition(":")[0]}",version="{__version__}"}}'] == 1
        if broker_url.startswith("sqlite"):
            assert found["sluice_embedded_commit_seconds_count"] > 0
            assert found['sluice_file_bytes{holds="log"}'] > 0


async def test_keys_have_their_use_counted(start):
    async with start(API_KEY="master-key") as client:
        good = {"X-API-Key": "master-key"}
        body = {"events": [generic(), generic()]}
        await client.post("/messages/batch", body, headers=good)
        await client.get("/messages")
        found = await metrics(client, good)
        assert found['sluice_key_requests_total{key="API_KEY"}'] == 1
        assert found['sluice_key_requests_total{key="_unknown"}'] == 1
        assert found['sluice_key_messages_total{key="API_KEY"}'] == 2
        assert found['sluice_key_bytes_total{key="API_KEY"}'] > 100
        sizes = 'method="POST",route="/messages/batch",status="201"'
        assert found[f"http_request_bytes_total{{{sizes}}}"] == found['sluice_key_bytes_total{key="API_KEY"}']
        assert found[f"http_response_bytes_total{{{sizes}}}"] > 100
        assert found["sluice_send_batch_size_sum"] == 2


async def test_errors_are_counted_by_their_code(start):
    async with start(BATCH_MAX_SIZE="1", MAX_INFLIGHT_BYTES="20000", MAX_REQUEST_BODY_SIZE="10000") as client:
        await client.get("/nowhere")
        await client.post("/messages/batch", {"events": [generic(), generic()]})
        await client.post_bytes("/messages", b"x" * 10_001)
        await client.post_bytes("/messages", b"{}", content_type="text/plain")
        found = await metrics(client)
        told = {code: n for name, n in found.items() if (code := name.removeprefix("sluice_errors_total")) != name}
        codes = ("not_found", "validation_error", "payload_too_large", "unsupported_media_type")
        assert told == {f'{{code="{code}"}}': 1 for code in codes}


async def test_messages_that_are_refused_before_the_log_count_as_failed_on_their_topic(start):
    async with start(MAX_MESSAGE_BYTES="1000") as client:
        bad, good = {"event": generic(), "partition_id": 9}, {"event": generic(), "partition_id": 0}
        assert (await client.post("/messages", {"event": generic("x" * 1001)})).status == 413
        assert (await client.post("/messages/batch", {"messages": [bad, good]})).status == 404
        assert (await client.post("/messages/batch?partial=true", {"messages": [bad, good]})).status == 207
        found = await metrics(client)
        topic = 'stream="sample-stream",topic="events"'
        assert found[f'sluice_messages_sent_total{{status="failed",{topic}}}'] == 1 + 2 + 1
        assert found[f'sluice_messages_sent_total{{status="ok",{topic}}}'] == 1


@pytest.mark.kafka
async def test_messages_that_an_open_breaker_refuses_count_as_failed_on_their_topic(start, own_kafka):
    settings = {"CIRCUIT_BREAKER_FAILURE_THRESHOLD": "1", "OPERATION_TIMEOUT_SECS": "1", "DEFAULT_STREAM": "refused-1"}
    async with start(BROKER_URL=f"kafka://{own_kafka.address}", **settings) as client:
        assert (await client.post("/messages", {"event": generic()})).status == 201
        own_kafka.kill()
        codes = []
        try:
            while "circuit_open" not in codes and len(codes) < 20:
                codes.append((await client.post("/messages", {"event": generic()})).body["error"])
        finally:
            own_kafka.start()
        assert codes[-1] == "circuit_open"
        found = await metrics(client)
        assert found['sluice_messages_sent_total{status="failed",stream="refused-1",topic="events"}'] == len(codes)
