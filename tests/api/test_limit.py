"""The rate limit at the door (API 1)."""

import asyncio

import pytest
from samples import CANARY, generic

SLOW = {"RATE_LIMIT_RPS": "0.1", "RATE_LIMIT_BURST": "3"}


async def test_every_limited_answer_says_what_is_left_and_an_empty_bucket_is_429(start):
    async with start(**SLOW) as client:
        answers = [await client.get("/streams") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["3"] * 4
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert [int(answer.headers["X-RateLimit-Reset"]) for answer in answers[:3]] == [10, 20, 30]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 10
    assert answers[3].body["error"] == "too_many_requests"
    assert answers[3].body["request_id"] == answers[3].headers["X-Request-Id"]


async def test_errors_and_unknown_paths_are_limited_too(start):
    async with start(**SLOW) as client:
        assert (await client.get("/nothing")).headers["X-RateLimit-Remaining"] == "2"
        assert (await client.post("/messages", {"no": 1})).headers["X-RateLimit-Remaining"] == "1"
        assert (await client("BREW", "/messages")).status in (400, 405)
        await client.get("/streams")
        refused = await client.post("/messages", {"event": generic()})
        assert (refused.status, refused.body["outcome"]) == (429, "not_written")


async def test_who_watches_is_not_limited(start):
    async with start(RATE_LIMIT_RPS="0.1", RATE_LIMIT_BURST="1") as client:
        for _ in range(3):
            for path in ("/health", "/ready", "/metrics"):
                answer = await client.get(path)
                assert answer.status == 200
                assert "X-RateLimit-Limit" not in answer.headers
        await client.get("/streams")
        text = (await client.get("/metrics")).body.decode()
        assert 'sluice_refusals_total{key="_unknown",reason="rate_limited"}' not in text
        assert (await client.get("/streams")).status == 429
        text = (await client.get("/metrics")).body.decode()
        assert 'sluice_refusals_total{key="_unknown",reason="rate_limited"} 1.0' in text


async def test_a_valid_key_has_a_bucket_of_its_own_and_wrong_ones_spend_the_address_s(start):
    async with start(API_KEY=CANARY, **SLOW) as client:
        for _ in range(3):
            assert (await client.get("/streams", headers={"X-API-Key": "wrong"})).status == 401
        assert (await client.get("/streams", headers={"X-API-Key": "wrong"})).status == 429
        assert (await client.get("/streams")).status == 429
        assert (await client.get("/streams", headers={"X-API-Key": CANARY})).status == 200


async def test_behind_a_trusted_proxy_each_client_has_a_bucket(start):
    async with start(TRUSTED_PROXIES="127.0.0.0/8", RATE_LIMIT_RPS="0.1", RATE_LIMIT_BURST="1") as client:
        for n in range(3):
            headers = {"X-Forwarded-For": f"203.0.113.{n}"}
            assert (await client.get("/streams", headers=headers)).status == 200
            assert (await client.get("/streams", headers=headers)).status == 429
        assert (await client.get("/streams", headers={"X-Forwarded-For": "2001:db8::1"})).status == 200
        assert (await client.get("/streams", headers={"X-Forwarded-For": "2001:db8::2"})).status == 429


async def test_without_one_nobody_picks_a_bucket_by_a_header(start):
    async with start(RATE_LIMIT_RPS="0.1", RATE_LIMIT_BURST="1") as client:
        assert (await client.get("/streams", headers={"X-Forwarded-For": "203.0.113.1"})).status == 200
        assert (await client.get("/streams", headers={"X-Forwarded-For": "203.0.113.2"})).status == 429


async def test_many_at_once_get_no_more_than_the_burst(start):
    async with start(RATE_LIMIT_RPS="0.01", RATE_LIMIT_BURST="10") as client:
        answers = await asyncio.gather(*(client.get("/streams") for _ in range(40)))
    assert sorted(answer.status for answer in answers) == [200] * 10 + [429] * 30


@pytest.mark.parametrize("off", ["0", "0.0"])
async def test_0_is_no_limit(start, off):
    async with start(RATE_LIMIT_RPS=off, RATE_LIMIT_BURST="1") as client:
        for _ in range(5):
            answer = await client.get("/streams")
            assert (answer.status, answer.headers.get("X-RateLimit-Limit")) == (200, None)


async def test_events_and_bytes_have_limits_and_a_larger_batch_passes_once(start):
    async with start(EVENTS_PER_SECOND="2", BYTES_PER_SECOND="1000000") as client:
        batch = {"events": [generic() for _ in range(20)]}
        assert (await client.post("/messages/batch", batch)).status == 201
        refused = await client.post("/messages", {"event": generic()})
        assert (refused.status, refused.body["outcome"]) == (429, "not_written")
        assert refused.body["message"] == "too many events: 2 a second are allowed"
        assert 9 <= int(refused.headers["Retry-After"]) <= 10
        assert (await client.get("/streams")).status == 200
        text = (await client.get("/metrics")).body.decode()
        assert 'sluice_refusals_total{key="_unknown",reason="events_limited"} 1.0' in text


async def test_a_body_that_is_not_understood_costs_no_events(start):
    async with start(EVENTS_PER_SECOND="0.1") as client:
        for _ in range(3):
            assert (await client.post("/messages", {"no": 1})).status == 400
        assert (await client.post("/messages", {"event": generic()})).status == 201


async def test_bytes_are_counted_as_they_are_read(start):
    async with start(BYTES_PER_SECOND="100") as client:
        event = generic("x" * 100)
        assert (await client.post("/messages", {"event": event})).status == 201
        refused = await client.post("/messages", {"event": event})
        assert refused.status == 429
        assert refused.body["message"] == "too many bytes: 100 a second are allowed"
