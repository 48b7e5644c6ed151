"""The life of a serving process: listen, run until told to stop, then stop without losing anything.

On SIGTERM or SIGINT: not ready, no new connections, waiting polls answer, what is in flight finishes. What is still
unanswered 15 s after the signal is answered `shutting_down`. The log is flushed and closed. A second signal changes
nothing. A worker does the same when its parent is gone.
"""

import asyncio
import gc
import resource
import signal
import ssl
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from app.api.wire.connection import Bounds
from app.api.wire.server import GatewayRunner
from app.assembly.gateway import Gateway, open_gateway
from app.errors import ConfigError, ResourceUnavailable
from app.exits import EX_CONFIG, EX_OK, EX_SOFTWARE, EX_UNAVAILABLE
from app.ids import UuidSource
from app.settings import Settings
from app.telemetry.logs import get_logger
from app.tls import Certificate

DRAIN_SECONDS = 15.0
_LAST_ANSWERS_SECONDS = 1.0
_BACKLOG = 1024
_MOST_FILES = 65_536

SAMPLE_SECONDS = 1.0
"""How old a worker's gauges may be in what another one exposes."""


_log = get_logger(__name__)


def run(
    settings: Settings,
    *,
    folder: Path | None = None,
    parent: int | None = None,
    listening: Callable[[], None] | None = None,
) -> int:
    """Serve in this process until a signal; answers the exit code, having said on stderr why it is not 0.

    For workers: the folder that all of them share, a file descriptor that ends with the parent, and whom to
    tell once it listens.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, folder, parent, listening))
    except (ConfigError, ResourceUnavailable) as error:
        print(f"sluice: {error}", file=sys.stderr)  # noqa: T201  # for whoever started it
        return EX_CONFIG if isinstance(error, ConfigError) else EX_UNAVAILABLE
    except Exception:
        _log.exception("the gateway failed")
        return EX_SOFTWARE
    return EX_OK


async def _serve(
    settings: Settings, folder: Path | None, parent: int | None, listening: Callable[[], None] | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parent is not None:
        loop.add_reader(parent, _parent_gone, loop, parent, stop)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(settings, folder))
        host, port = settings.address
        shared = parent is not None
        tls = _tls(settings)
        runner = partial(
            GatewayRunner,
            new_id=UuidSource(),
            shutdown_timeout=_LAST_ANSWERS_SECONDS,
            bounds=Bounds(settings.max_connections),
            refused=gateway.metrics.door.refused,
        )
        listen = partial(_listen, stack, shared=shared)
        if settings.metrics_port:
            await listen(runner(gateway.metrics_app), host, settings.metrics_port, tls=None)
        if gateway.admin_app:
            await listen(runner(gateway.admin_app), host, settings.admin_port, tls=tls)
        site = await listen(runner(gateway.app), host, port, tls=tls)
        _take_all_files()
        _collect_seldom()
        _log.info("listening", url=site.name, broker=gateway.health.broker_kind)
        if listening:
            listening()
        while not stop.is_set():
            gateway.metrics.sample()
            with suppress(TimeoutError):
                async with asyncio.timeout(SAMPLE_SECONDS):
                    await stop.wait()
        await _drain(gateway, site)
    _log.info("stopped")


def _loop_factory() -> Any:
    """uvloop's where it is installed, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _parent_gone(loop: asyncio.AbstractEventLoop, parent: int, stop: asyncio.Event) -> None:
    loop.remove_reader(parent)
    _log.warning("the parent is gone")
    stop.set()


def _take_all_files() -> None:
    """Connections are files, of which a process may usually have 1,024 until it asks for all it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _collect_seldom() -> None:
    """Leave what lives as long as the process out of the garbage collector's rounds, and make these rarer.

    A batch makes thousands of small objects that reference counting frees; at Python's default of 700 the rounds took
    about a third of the time of a batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """What to listen with; on SIGHUP the files are read again."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    certificate = Certificate(settings.tls_cert, settings.tls_key)

    def reload() -> None:
        try:
            certificate.reload()
        except ConfigError as error:
            _log.error("the certificate stays as it was", reason=str(error))  # no mistake of ours
        else:
            _log.info("certificate reloaded")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    return certificate.context


async def _listen(
    stack: AsyncExitStack, runner: GatewayRunner, host: str, port: int, *, shared: bool, tls: ssl.SSLContext | None
) -> web.TCPSite:
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=_BACKLOG, reuse_port=shared or None, ssl_context=tls)
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
    gateway.live.stop()
    await site.stop()
    await gateway.deadlines.wait_for_none(DRAIN_SECONDS)
    if unanswered := gateway.deadlines.bring_all_forward():
        _log.warning("requests cut off", unanswered=unanswered)
