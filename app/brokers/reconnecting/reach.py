"""Whether anybody listens at an address: asked without the connection that may be broken."""

import asyncio
import contextlib
from collections.abc import Sequence

_SECONDS = 2.0


async def any_answers(servers: Sequence[str]) -> bool:
    """Whether one of `host:port` accepts a TCP connection within two seconds."""
    answers = await asyncio.gather(*map(_answers, servers))
    return any(answers)


async def _answers(server: str) -> bool:
    host, _, port = server.rpartition(":")
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
        return True
    return False
