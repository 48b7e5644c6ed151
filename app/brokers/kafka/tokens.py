"""Tokens for SASL's OAUTHBEARER, from a command that prints one."""

import asyncio
import base64
import contextlib
import os
import re
import signal
import time
from collections.abc import Sequence

import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from app.deadline import Clock

MARGIN_SECONDS = 30.0
"""A token that expires sooner is not used again: it must last until the broker has read it."""

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


class TokenFailed(KafkaConnectionError):  # type: ignore[misc]  # aiokafka carries no types
    """No token was had. A connection error, so that aiokafka tries again as it does when a broker is away."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the token command failed: {why}")
        self.sentence = f"the token command failed: {why}"


class TokenCommand(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka carries no types
    """Runs `command`, without a shell and for at most `seconds`, once a connection; reuses a JWT until it expires."""

    def __init__(self, command: Sequence[str], seconds: float, *, now: Clock = time.time) -> None:
        super().__init__()
        self._command = command
        self._seconds = seconds
        self._now = now
        self._token = ""
        self._fresh_until = 0.0

    async def token(self) -> str:
        """Raises TokenFailed, whose text repeats nothing of what the command printed."""
        if self._now() >= self._fresh_until:
            self._token = _only_token(await self._run())
            self._fresh_until = expiry(self._token) - MARGIN_SECONDS
        return self._token

    async def _run(self) -> bytes:
        """What it prints. Its complaints go to our standard error."""
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=null, stdout=pipe, start_new_session=True
            )
        except OSError as error:
            raise TokenFailed(f"it can't be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._seconds):
                printed, _ = await process.communicate()
        except BaseException as error:
            await _end(process)
            if isinstance(error, TimeoutError):
                raise TokenFailed(f"it did not end within {self._seconds:g} s") from None
            raise
        if process.returncode:
            raise TokenFailed(f"it ended with {process.returncode}")
        return printed


class _Claims(msgspec.Struct):
    exp: float


def expiry(token: str) -> float:
    """When a JWT expires, in seconds since 1970; 0 for a token that does not say."""
    _, _, rest = token.partition(".")
    try:
        claims = base64.urlsafe_b64decode(rest.partition(".")[0] + "==")
        return msgspec.json.decode(claims, type=_Claims).exp
    except (ValueError, msgspec.MsgspecError):
        return 0.0


def _only_token(printed: bytes) -> str:
    token = printed.strip()
    if not token:
        raise TokenFailed("it printed nothing")
    if not _TOKEN.fullmatch(token):
        raise TokenFailed("it printed something else than a token")
    return token.decode()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it and what it started, which would hold its pipe open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
