"""Which web pages may read our answers (API 1)."""

import pytest
from samples import CANARY

from app.errors import ConfigError
from app.settings import load_settings

APP = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}


def allowed(answer) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


async def test_a_preflight_is_answered_before_limit_and_keys(start):
    async with start(API_KEY=CANARY, RATE_LIMIT_RPS="0.1", RATE_LIMIT_BURST="1", CORS_ALLOWED_ORIGINS=APP) as client:
        for _ in range(3):
            answer = await client("OPTIONS", "/messages", headers={"Origin": APP, **PREFLIGHT})
            assert answer.status == 204
            assert allowed(answer) == APP
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]
            assert int(answer.headers["Access-Control-Max-Age"]) <= 600
            assert "Origin" in answer.headers.getall("Vary")
            assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(("path", "status"), [("/streams", 200), ("/nothing", 404), ("/streams/none", 404)])
async def test_every_answer_can_be_read_with_what_it_tells_in_headers(start, path, status):
    async with start(CORS_ALLOWED_ORIGINS=f"https://other.example, {APP}") as client:
        answer = await client.get(path, headers={"Origin": APP})
    assert (answer.status, allowed(answer)) == (status, APP)
    exposed = answer.headers["Access-Control-Expose-Headers"]
    for name in ("X-Request-Id", "X-RateLimit-Remaining", "Retry-After", "Location", "Link", "X-Effective-Timeout"):
        assert name in exposed


async def test_refusals_can_be_read_too(start):
    async with start(API_KEY=CANARY, RATE_LIMIT_RPS="0.1", RATE_LIMIT_BURST="1") as client:
        for status in (401, 429):
            answer = await client.get("/streams", headers={"Origin": APP})
            assert (answer.status, allowed(answer)) == (status, "*")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{APP}.evil.example", "http://app.example.com"])
async def test_an_unknown_origin_gets_no_header(start, origin):
    async with start(CORS_ALLOWED_ORIGINS=APP) as client:
        answers = [
            await client.get("/streams", headers={"Origin": origin}),
            await client("OPTIONS", "/streams", headers={"Origin": origin, **PREFLIGHT}),
        ]
    for answer in answers:
        assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []
        assert "Origin" in answer.headers.getall("Vary")


async def test_never_with_credentials_and_a_star_for_everybody_by_default(client):
    for origin in (APP, "null"):
        answer = await client.get("/streams", headers={"Origin": origin})
        assert allowed(answer) == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_options_that_are_no_preflight_are_requests_like_others(client):
    assert (await client("OPTIONS", "/streams", headers={"Origin": APP})).status == 405
    assert (await client("OPTIONS", "/streams", headers=PREFLIGHT)).status == 405


async def test_requests_from_no_page_get_no_header(client):
    answer = await client.get("/streams")
    assert allowed(answer) is None
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("entry", ["app.example.com", "https://app.example.com/", "https://a.example/path"])
def test_an_entry_that_is_no_origin_stops_the_start(entry):
    with pytest.raises(ConfigError, match="CORS_ALLOWED_ORIGINS"):
        load_settings({"CORS_ALLOWED_ORIGINS": entry})
