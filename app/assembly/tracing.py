"""Where spans go, if anywhere."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from app import __version__
from app.broker_url import KafkaUrl
from app.errors import ConfigError
from app.settings import Settings

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

_LAST_SPANS_SECONDS = 2.0


@asynccontextmanager
async def open_tracing(settings: Settings) -> AsyncIterator["Tracing | None"]:
    """None where no collector is named: then nothing of OpenTelemetry is even loaded. Raises ConfigError."""
    if settings.collector is None:
        yield None
        return
    try:
        from app.telemetry.tracing import Export, Tracing  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT, JAEGER_ENDPOINT: spans need OpenTelemetry, pip install 'sluice[tracing]'"
        ) from None
    export = Export(
        settings.collector,
        settings.collector_headers,
        settings.otel_service_name,
        __version__,
        settings.otel_traces_sampler_arg,
    )
    tracing = Tracing(export, system="kafka" if isinstance(settings.broker, KafkaUrl) else "sluice")
    try:
        yield tracing
    finally:
        await _closed(tracing, _LAST_SPANS_SECONDS)


async def _closed(tracing: "Tracing", seconds: float) -> None:
    """In a thread that nobody waits for, should the collector keep it."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    def close() -> None:
        tracing.close()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=close, name="last spans", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closed.wait()
