"""Where spans go, if anywhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
        closing = asyncio.get_running_loop().run_in_executor(None, tracing.close)
        await asyncio.wait({closing}, timeout=_LAST_SPANS_SECONDS)
