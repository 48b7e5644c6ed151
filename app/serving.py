"""The life of a serving process: listen, run until told to stop, then stop without losing anything.

On SIGTERM or SIGINT: not ready, no new connections, waiting polls answer, what is in flight finishes. What is still
unanswered 15 s after the signal is answered `shutting_down`. The log is flushed and closed. A second signal changes
nothing.
"""

import asyncio
import gc
import signal
from contextlib import AsyncExitStack

from aiohttp import web

from app.api.server import GatewayRunner
from app.assembly.gateway import Gateway, open_gateway
from app.errors import ResourceUnavailable
from app.ids import UuidSource
from app.settings import Settings
from app.telemetry.logs import get_logger

DRAIN_SECONDS = 15.0
_LAST_ANSWERS_SECONDS = 1.0
_BACKLOG = 1024

_log = get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until a signal. Raises ResourceUnavailable when the port or the log can't be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(settings))
        runner = GatewayRunner(gateway.app, new_id=UuidSource(), shutdown_timeout=_LAST_ANSWERS_SECONDS)
        stack.push_async_callback(runner.cleanup)
        site = await _listen(runner, *settings.address)
        _collect_seldom()
        _log.info("listening", url=site.name, broker=gateway.health.broker_kind)
        await stop.wait()
        await _drain(gateway, site)
    _log.info("stopped")


def _collect_seldom() -> None:
    """Leave what lives as long as the process out of the garbage collector's rounds, and make these rarer.

    A batch makes thousands of small objects that reference counting frees; at Python's default of 700 the rounds took
    about a third of the time of a batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _listen(runner: GatewayRunner, host: str, port: int) -> web.TCPSite:
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
    try:
        await site.start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceUnavailable(f"can't listen at {host}:{port}: {reason}") from None
    return site


async def _drain(gateway: Gateway, site: web.TCPSite) -> None:
    _log.info("stopping", in_flight=len(gateway.deadlines))
    gateway.health.stop()
    gateway.consumer.stop_waiting()
    await site.stop()
    await gateway.deadlines.wait_for_none(DRAIN_SECONDS)
    if unanswered := gateway.deadlines.bring_all_forward():
        _log.warning("requests cut off", unanswered=unanswered)
