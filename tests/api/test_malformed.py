"""Malformed and smuggling requests on a real socket: refused whole, and nothing is ever read as a second request."""

import asyncio
import json
import re
from typing import NamedTuple

import pytest
from malformed_requests import CHUNKINGS, EVENT, LAST, REFUSED, TAKEN, chunk, get, post

BEHIND = get(target=b"/stats")
CLOSING = get(b"Connection: close\r\n", target=b"/stats")
PATIENCE = 25  # seconds, less than a request's deadline


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def exchange(client, sent: bytes, *, later: bytes = b"") -> list[Reply]:
    """Every answer until the gateway closes the connection. `later` is sent once the first request is being handled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(sent)
            if later:
                while not len(client.gateway.deadlines):
                    await asyncio.sleep(0.001)
                writer.write(later)
            received = await reader.read(-1)
    finally:
        writer.close()
    return replies(received)


def replies(received: bytes) -> list[Reply]:
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers["content-length"])
        found.append(Reply(int(re.match(r"HTTP/1\.[01] ([0-9]{3}) ", first)[1]), headers, received[:size]))
        received = received[size:]
    return found


async def handled(client) -> int:
    """How many requests the gateway has taken for one, those for this figure left out."""
    text = (await client.get("/metrics")).body.decode()
    lines = re.findall(r"^http_request_duration_seconds_count\{(.*)\} ([0-9.]+)$", text, re.MULTILINE)
    return sum(int(float(count)) for labels, count in lines if 'route="/metrics"' not in labels)


def is_refusal(answers: list[Reply]) -> bool:
    """Exactly one answer: 4xx, in the one error shape, with its request id, and the connection's last."""
    if len(answers) != 1 or not 400 <= answers[0].status < 500:
        return False
    [(_, headers, body)] = answers
    error = json.loads(body)
    return (
        set(error) == {"error", "message", "outcome", "request_id"}
        and (error["error"], error["outcome"]) == ("bad_request", "not_written")
        and headers["x-request-id"] == error["request_id"]
        and headers["server"] == "sluice"
        and headers.get("connection") != "keep-alive"
    )


def told(answers: list[Reply]) -> list[tuple[int, bytes]]:
    return [(answer.status, answer.body) for answer in answers]


@pytest.mark.parametrize("group", REFUSED)
async def test_it_is_refused_and_nothing_is_read_behind_it(client, group):
    wrong = {}
    for case, sent in REFUSED[group].items():
        answers = await exchange(client, sent + BEHIND)
        if not is_refusal(answers) or await handled(client) > 0:
            wrong[case] = told(answers)
    assert wrong == {}
    assert (await client.poll(0)).body["high_watermark"] == 0


async def test_chunks_that_break_after_the_head_are_refused_at_once(client):
    wrong = {}
    for number, (case, sent) in enumerate(CHUNKINGS.items(), 1):
        head, end, body = sent.partition(b"\r\n\r\n")
        answers = await exchange(client, head + end, later=body + BEHIND)
        if not is_refusal(answers) or await handled(client) != number:
            wrong[case] = told(answers)
    assert wrong == {}
    assert (await client.poll(0)).body["high_watermark"] == 0


async def test_a_trailer_is_no_header_of_the_next_request(client):
    answers = await exchange(client, chunk(b"%\r\n", trailers=b"X-Request-Id: trailer\r\n") + BEHIND)
    assert [answer.status for answer in answers] == [201]
    assert answers[0].headers["connection"] == "close"


async def test_valid_ones_are_handled_and_so_is_what_follows(client):
    wrong = {}
    for case, (sent, status) in TAKEN.items():
        before = await handled(client)
        answers = await exchange(client, sent + CLOSING)
        if [answer.status for answer in answers] != [status, 200] or await handled(client) != before + 2:
            wrong[case] = told(answers)
    assert wrong == {}


async def test_the_last_one_of_a_connection_is_answered_and_the_connection_closed(client):
    wrong = {}
    for case, (sent, status) in LAST.items():
        before = await handled(client)
        answers = await exchange(client, sent)
        if [answer.status for answer in answers] != [status] or await handled(client) != before + 1:
            wrong[case] = told(answers)
    assert wrong == {}


async def test_a_request_behind_an_upgrade_nobody_takes_is_not_left_without_an_end(client):
    answers = await exchange(client, LAST["h2c"][0] + BEHIND)
    assert [answer.status for answer in answers] == [200]
    assert answers[0].headers["connection"] == "close"


async def test_a_body_that_looks_like_a_request_is_a_body(client):
    length = b"Content-Length: %d\r\n" % (len(EVENT) + len(BEHIND))
    answers = await exchange(client, post(length, b"Connection: close\r\n", body=EVENT + BEHIND))
    assert [answer.status for answer in answers] == [400]
    assert await handled(client) == 1


async def test_what_a_head_refuses_is_said_in_a_sentence(client):
    [answer] = await exchange(client, get(host=b"Host: a b\r\n"))
    assert json.loads(answer.body)["message"] == "Host must be a name or an address, and perhaps a port"


@pytest.mark.parametrize("case", ["HTTP/0.9", "HTTP/0.9 by name"])
async def test_an_old_version_is_refused_also_with_nothing_behind(client, case):
    assert is_refusal(await exchange(client, REFUSED["request lines"][case]))
    assert await handled(client) == 0
