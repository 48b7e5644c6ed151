"""Why no broker lets us in. aiokafka keeps it to itself: it only says that it could not connect."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import BrokerResponseError, KafkaError

from app.brokers.kafka.tokens import TokenFailed

_REASONS = (ssl.SSLError, TokenFailed, BrokerResponseError)


async def ask_why(servers: Iterable[tuple[str, int]], options: dict[str, Any], seconds: float) -> None:
    """Try each server once more, `seconds` in all. Raises what TLS, the token command or a broker says against us.

    Returns when there is nothing of the kind: then the servers are away.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for host, port in servers:
                await _try(host, port, options)


async def _try(host: str, port: int, options: dict[str, Any]) -> None:
    try:
        connection = await create_conn(host, port, **options)
    except (OSError, KafkaError) as error:
        # TLS 1.3 is refused after the handshake, when aiokafka sees a connection that ends.
        reason = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        if isinstance(reason, _REASONS):
            raise reason from None
    else:
        await connection.close()
