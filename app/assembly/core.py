"""The log and the use cases on it: what there is of a gateway before anybody reaches it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.api.feeds.tailed import item_of
from app.api.polled import show
from app.assembly.door import Door
from app.assembly.log import make_backoff, make_log, reconnecting, spread_over
from app.broker import Log
from app.broker_url import SqliteUrl
from app.brokers.traced import TracedLog
from app.errors import ResourceUnavailable
from app.event import EventEncoder
from app.gateway.audit import Audit
from app.gateway.catalog import Catalog, Defaults
from app.gateway.consumer import Consumer
from app.gateway.consumers import Consumers
from app.gateway.health import Health
from app.gateway.lags import Lags
from app.gateway.link import Link
from app.gateway.live.live import Live
from app.gateway.periodic import Periodic
from app.gateway.producer import Producer
from app.gateway.replication import Replication
from app.gateway.stats import Stats
from app.settings import Settings
from app.telemetry.connection import ConnectionStatus
from app.telemetry.metrics import Metrics
from app.telemetry.pauses import Pauses

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

_FIRST_TRY_SECONDS = 5.0
_LAST_AUDIT_SECONDS = 2.0
_LAGS_EVERY = 3
"""Times the interval of the totals: to ask for them takes two requests a consumer group."""


@dataclass(frozen=True)
class Core:
    """What speaks to the log."""

    log: Log
    link: Link
    catalog: Catalog
    encoder: EventEncoder
    producer: Producer
    consumer: Consumer
    live: Live
    trail: Audit
    replication: Replication
    health: Health
    stats: Stats


@asynccontextmanager
async def open_core(
    settings: Settings, door: Door, metrics: Metrics, new_id: Callable[[], str], tracing: "Tracing | None"
) -> AsyncIterator[Core]:
    """The log is open, or being opened, and watched until the end.

    Raises ResourceUnavailable.
    """
    core = _make_core(settings, door, metrics, new_id, tracing)
    beside = _beside(settings, core, metrics)
    try:
        await core.link.start(_FIRST_TRY_SECONDS)
        if settings.startup_require_broker and not core.link.connected:
            raise ResourceUnavailable("the broker is away, and STARTUP_REQUIRE_BROKER is set")
        core.trail.start()
        for work in beside:
            work.start()
        yield core
    finally:
        for work in beside:
            await work.stop()
        await core.trail.stop(_LAST_AUDIT_SECONDS)
        await core.link.stop()


def _beside(settings: Settings, core: Core, metrics: Metrics) -> tuple[Periodic | Pauses, ...]:
    """What is done beside the requests."""
    every = settings.stats_cache_ttl_secs
    lags = Lags(Consumers(core.log, group_prefix=settings.consumer_group_prefix), metrics.seen.lags_are)
    metrics.seen.log_is(core.log.kind, core.stats.snapshot)
    metrics.seen.databases_are(_databases(settings))
    metrics.follow(metrics.broker.unreplicated, lambda: len(core.replication.unreplicated))
    return (
        Periodic(core.stats.read, interval=every, name="stats"),
        Periodic(lags.read, interval=_LAGS_EVERY * every, name="lags"),
        Periodic(core.replication.look, interval=settings.health_check_interval_secs, name="replication"),
        Pauses(metrics.process, time.monotonic),
    )


def _databases(settings: Settings) -> dict[str, Path]:
    """Our own files, by what they hold."""
    found = {}
    if isinstance(settings.broker, SqliteUrl):
        found["log"] = settings.broker.path
    if isinstance(settings.database, SqliteUrl):
        found["index"] = settings.database.path
    return found


def _make_core(
    settings: Settings, door: Door, metrics: Metrics, new_id: Callable[[], str], tracing: "Tracing | None"
) -> Core:
    bare = make_log(settings, metrics)
    status = ConnectionStatus(metrics.broker, bare.kind)
    log = reconnecting(bare, settings, status, metrics) if bare.kind == "kafka" else bare
    catalog = make_catalog(settings, log)
    encoder = EventEncoder(now=partial(datetime.now, UTC), new_id=new_id)
    trail = Audit(log, encoder, clock=time.time, retention_ms=settings.audit_retention_ms, metrics=metrics.door)
    status.watch(trail.broker_changed)
    door.watch(trail.keys_changed)
    probe = settings.health_check_interval_secs
    link = Link(log, catalog, status=status, probe_interval=probe, backoff=make_backoff(settings))
    replication = Replication(log, always=settings.default.full)
    records = TracedLog(log, tracing, reader="poll") if tracing else log
    followed = TracedLog(log, tracing, reader="tail", asked=False) if tracing else log
    live = _make_live(settings, followed, metrics)
    door.watch(lambda _: live.rouse())
    return Core(
        log,
        link,
        catalog,
        encoder,
        Producer(
            records,
            catalog,
            spread=spread_over(bare),
            clock=time.time,
            max_message_bytes=settings.max_message_bytes,
            metrics=metrics.messages,
        ),
        Consumer(records, show=show, group_prefix=settings.consumer_group_prefix, metrics=metrics.messages),
        live,
        trail,
        replication,
        Health(log, connected=lambda: link.connected, unreplicated=lambda: replication.unreplicated),
        Stats(catalog, interval=settings.stats_cache_ttl_secs, monotonic=time.monotonic),
    )


def _make_live(settings: Settings, log: Log, metrics: Metrics) -> Live:
    return Live(
        log,
        render=item_of,
        most_bytes=settings.tail_buffer_bytes,
        group_prefix=settings.consumer_group_prefix,
        refused=metrics.messages.commits_refused.inc,
    )


def make_catalog(settings: Settings, log: Log) -> Catalog:
    defaults = Defaults(
        topic=settings.default,
        partitions=settings.default_partitions,
        retention_ms=settings.topic_retention_ms,
    )
    return Catalog(log, clock=time.time, monotonic=time.monotonic, defaults=defaults)
