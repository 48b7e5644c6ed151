"""Settings in, a gateway that runs out."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from app.api.app import create_app, create_metrics_app
from app.api.charges import Charges
from app.api.handlers.catalog import Streams
from app.api.handlers.consumers import Groups
from app.api.handlers.events import Events
from app.api.handlers.messages import Bounds, Messages
from app.api.handlers.offsets import OffsetsOf
from app.api.handlers.operations import Operations
from app.api.middleware import middlewares
from app.api.middleware.deadlines import deadlines as timed
from app.api.middleware.errors import errors
from app.api.middleware.request_id import request_id
from app.api.openapi.document import document
from app.api.openapi.operations import OPERATIONS
from app.api.parsing import Parser
from app.api.routes import rights, routes, without_admin
from app.assembly.door import Door, make_guards, open_door, open_limiter
from app.assembly.events import open_index
from app.assembly.log import make_backoff, make_log, reconnecting
from app.broker import Log
from app.deadline import Deadlines
from app.door.limits import Limiter
from app.errors import ResourceUnavailable
from app.event import EventEncoder
from app.event_index import EventIndex
from app.gateway.audit import Audit
from app.gateway.catalog import Catalog, Defaults
from app.gateway.consumer import Consumer
from app.gateway.consumers import Consumers
from app.gateway.health import Health
from app.gateway.link import Link
from app.gateway.offsets import Offsets
from app.gateway.periodic import Periodic
from app.gateway.producer import Producer
from app.gateway.replication import Replication
from app.gateway.stats import Stats
from app.ids import UuidSource
from app.names import TopicName
from app.resilience.budget import ByteBudget
from app.settings import Settings
from app.telemetry.connection import ConnectionStatus
from app.telemetry.metrics import Metrics

_FIRST_TRY_SECONDS = 5.0
_LAST_AUDIT_SECONDS = 2.0


@dataclass(frozen=True)
class Gateway:
    """A gateway whose parts are joined and whose log is open, or being opened."""

    app: web.Application
    admin_app: web.Application
    metrics_app: web.Application
    log: Log
    health: Health
    consumer: Consumer
    deadlines: Deadlines
    budget: ByteBudget
    metrics: Metrics
    trail: Audit


@asynccontextmanager
async def open_gateway(settings: Settings, shared: Path | None = None) -> AsyncIterator[Gateway]:
    """The whole gateway but for the port; `shared` is a folder that several of them on one port share.

    Raises ConfigError, ResourceUnavailable.
    """
    metrics = Metrics(shared)
    async with (
        open_door(settings) as door,
        open_limiter(settings, metrics, shared) as limiter,
        _open_behind(settings, door, metrics, limiter) as gateway,
    ):
        yield gateway


@asynccontextmanager
async def _open_behind(settings: Settings, door: Door, metrics: Metrics, limiter: Limiter) -> AsyncIterator[Gateway]:
    new_id = UuidSource()
    bare = make_log(settings)
    status = ConnectionStatus(metrics, bare.kind)
    log = reconnecting(bare, settings, status, metrics) if bare.kind == "kafka" else bare
    catalog = make_catalog(settings, log)
    encoder = EventEncoder(now=lambda: datetime.now(UTC), new_id=new_id)
    trail = Audit(log, encoder, clock=time.time, retention_ms=settings.audit_retention_ms, metrics=metrics)
    status.watch(trail.broker_changed)
    door.watch(trail.keys_changed)
    probe = settings.health_check_interval_secs
    link = Link(log, catalog, status=status, probe_interval=probe, backoff=make_backoff(settings))
    consumer = Consumer(log, group_prefix=settings.consumer_group_prefix, metrics=metrics)
    replication = Replication(log, always=f"{settings.default_stream}.{settings.default_topic}")
    health = Health(log, connected=lambda: link.connected, unreplicated=lambda: replication.unreplicated)
    deadlines = Deadlines()
    stats = Stats(catalog, interval=settings.stats_cache_ttl_secs, monotonic=time.monotonic)
    beside = (
        Periodic(stats.read, interval=settings.stats_cache_ttl_secs, name="stats"),
        Periodic(replication.look, interval=probe, name="replication"),
    )
    stack = AsyncExitStack()
    try:
        await link.start(_FIRST_TRY_SECONDS)
        if settings.startup_require_broker and not link.connected:
            raise ResourceUnavailable("the broker is away, and STARTUP_REQUIRE_BROKER is set")
        trail.start()
        for work in beside:
            work.start()
        index = await stack.enter_async_context(open_index(settings, log))
        budget = ByteBudget(settings.max_inflight_bytes)
        metrics.follow(metrics.inflight_bytes, lambda: budget.used)
        producer = Producer(
            log, catalog, clock=time.time, max_message_bytes=settings.max_message_bytes, metrics=metrics
        )
        operations = Operations(health, stats, metrics, lambda: document(OPERATIONS, rights(table)), clock=time.time)
        table = routes(
            make_messages(
                settings, producer, consumer, encoder, make_charges(settings, limiter, metrics), replication.use
            ),
            make_events(settings, producer, encoder, index, make_charges(settings, limiter, metrics)),
            Streams(catalog, most_bytes=settings.max_request_body_size),
            *make_groups(settings, log),
            operations,
        )
        onion = middlewares(
            new_id=new_id,
            metrics=metrics,
            trail=trail,
            door=make_guards(settings, door, rights(table), metrics, limiter),
            timed=timed(deadlines, budget, longest=settings.operation_timeout_secs),
        )
        served = without_admin(table) if settings.admin_port else table
        app, admin_app = (create_app(each, onion, stopping=lambda: health.stopping) for each in (served, table))
        metrics_app = create_metrics_app(operations.metrics, (request_id(new_id), errors))
        yield Gateway(app, admin_app, metrics_app, log, health, consumer, deadlines, budget, metrics, trail)
    finally:
        await stack.aclose()
        for work in beside:
            await work.stop()
        await trail.stop(_LAST_AUDIT_SECONDS)
        await link.stop()


def make_catalog(settings: Settings, log: Log) -> Catalog:
    defaults = Defaults(
        topic=TopicName.create(settings.default_stream, settings.default_topic),
        partitions=settings.default_partitions,
        retention_ms=settings.topic_retention_ms,
    )
    return Catalog(log, clock=time.time, monotonic=time.monotonic, defaults=defaults)


def make_messages(
    settings: Settings,
    producer: Producer,
    consumer: Consumer,
    encoder: EventEncoder,
    charges: Charges,
    used: Callable[[str], None],
) -> Messages:
    return Messages(
        producer,
        consumer,
        Parser(encoder, most=settings.batch_max_size),
        default=TopicName.create(settings.default_stream, settings.default_topic),
        bounds=Bounds(settings.max_request_body_size, settings.poll_max_count),
        charges=charges,
        used=used,
    )


def make_events(
    settings: Settings, producer: Producer, encoder: EventEncoder, index: EventIndex | None, charges: Charges
) -> Events:
    return Events(
        producer,
        Parser(encoder, most=settings.batch_max_size),
        index,
        topic=TopicName.create(settings.default_stream, settings.default_topic),
        most_bytes=settings.max_request_body_size,
        charges=charges,
    )


def make_charges(settings: Settings, limiter: Limiter, metrics: Metrics) -> Charges:
    return Charges(
        limiter, metrics, events_per_second=settings.events_per_second, bytes_per_second=settings.bytes_per_second
    )


def make_groups(settings: Settings, log: Log) -> tuple[OffsetsOf, Groups]:
    prefix = settings.consumer_group_prefix
    return (
        OffsetsOf(Offsets(log, group_prefix=prefix), most_bytes=settings.max_request_body_size),
        Groups(Consumers(log, group_prefix=prefix)),
    )
