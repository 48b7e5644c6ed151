"""Tokens from a command: had, reused, refused, and never told."""

import asyncio
import base64
import json
import time
from pathlib import Path

import pytest

from app.brokers.kafka.tokens import MARGIN_SECONDS, TokenCommand, TokenFailed, expiry


def jwt(**claims) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2lnbmVk"


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


@pytest.mark.parametrize("token", ["opaque-t0ken", "a.b.c", jwt(sub="us"), jwt(exp="soon"), "e30.bm90IGpzb24.x"])
def test_a_token_that_does_not_say_when_it_expires_is_of_no_time(token):
    assert expiry(token) == 0


async def test_a_jwt_is_used_again_until_shortly_before_it_expires(tmp_path):
    runs, now = tmp_path / "runs", [1000.0]
    command = shell(f"echo run >> {runs}; echo {jwt(exp=2000)}")
    tokens = TokenCommand(command, 10, now=lambda: now[0])
    for moment, expected in ((1000, 1), (2000 - MARGIN_SECONDS - 1, 1), (2000 - MARGIN_SECONDS, 2), (3000, 3)):
        now[0] = moment
        assert await tokens.token() == jwt(exp=2000)
        assert len(runs.read_text().split()) == expected


async def test_any_other_token_is_had_anew_each_time(tmp_path):
    runs = tmp_path / "runs"
    tokens = TokenCommand(shell(f"echo run >> {runs}; wc -l < {runs}"), 10)
    assert [await tokens.token(), await tokens.token()] == ["1", "2"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo s3cret; exit 3", "it ended with 3"),
        ("kill -9 $$", "it ended with -9"),
        ("true", "it printed nothing"),
        ("echo s3cret of two words", "it printed something else than a token"),
        ("printf 's3cret\\001auth=x'", "it printed something else than a token"),
    ],
)
async def test_a_command_that_fails_is_told_without_what_it_printed(script, why):
    with pytest.raises(TokenFailed) as failed:
        await TokenCommand(shell(script), 10).token()
    assert failed.value.sentence == f"the token command failed: {why}"
    assert "s3cret" not in repr(failed.value)


async def test_a_command_that_is_not_there_is_told():
    with pytest.raises(TokenFailed, match="can't be started: No such file"):
        await TokenCommand(["/nowhere/get-token"], 10).token()


async def test_a_failure_is_not_remembered(tmp_path):
    file = tmp_path / "token"
    tokens = TokenCommand(["cat", str(file)], 10)
    with pytest.raises(TokenFailed):
        await tokens.token()
    file.write_text("t0ken\n")
    assert await tokens.token() == "t0ken"


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    pid = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(TokenFailed, match=r"did not end within 0\.3 s"):
        await TokenCommand(shell(f"sleep 60 & echo $! > {pid}; wait"), 0.3).token()
    assert time.monotonic() - begun < 5
    await gone(int(pid.read_text()))


async def test_a_caller_that_goes_away_ends_the_command(tmp_path):
    pid = tmp_path / "pid"
    waiting = asyncio.ensure_future(TokenCommand(shell(f"echo $$ > {pid}; exec sleep 60"), 60).token())
    while not pid.exists() or not pid.read_text().strip():
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await gone(int(pid.read_text()))


async def gone(pid: int) -> None:
    """Wait until the process runs no more; a zombie does not."""
    async with asyncio.timeout(5):
        while running(pid):
            await asyncio.sleep(0.01)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
