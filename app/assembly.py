"""The one place that names concrete classes: settings in, a gateway that runs out."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from app.api.app import create_app
from app.api.handlers.catalog import Streams
from app.api.handlers.messages import Messages
from app.api.handlers.operations import Operations
from app.api.middleware import middlewares
from app.api.parsing import Parser
from app.api.routes import routes
from app.broker import Log
from app.broker_url import KafkaUrl, MemoryUrl, SqliteUrl
from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.brokers.memory import MemoryBroker
from app.brokers.sqlite.broker import SqliteBroker
from app.deadline import Deadlines
from app.errors import ResourceUnavailable
from app.event import EventEncoder
from app.gateway.catalog import Catalog, Defaults
from app.gateway.consumer import Consumer
from app.gateway.health import Health
from app.gateway.link import Link
from app.gateway.producer import Producer
from app.ids import UuidSource
from app.names import TopicName
from app.resilience.budget import ByteBudget
from app.settings import Settings
from app.telemetry.metrics import Metrics

_FIRST_TRY_SECONDS = 5.0


@dataclass(frozen=True)
class Gateway:
    """A gateway whose parts are joined and whose log is open, or being opened."""

    app: web.Application
    log: Log
    health: Health
    consumer: Consumer
    deadlines: Deadlines
    budget: ByteBudget


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """The whole gateway but for the port. Raises ResourceUnavailable."""
    metrics = Metrics()
    new_id = UuidSource()
    log = make_log(settings)
    catalog = make_catalog(settings, log)
    link = Link(
        log,
        catalog,
        metrics=metrics,
        probe_interval=settings.health_check_interval_secs,
        base_delay=settings.reconnect_base_delay_ms / 1000,
        max_delay=settings.reconnect_max_delay_ms / 1000,
    )
    consumer = Consumer(log, group_prefix=settings.consumer_group_prefix, metrics=metrics)
    health = Health(log, connected=lambda: link.connected)
    deadlines = Deadlines()
    try:
        await link.start(_FIRST_TRY_SECONDS)
        if settings.startup_require_broker and not link.connected:
            raise ResourceUnavailable("the broker is away, and STARTUP_REQUIRE_BROKER is set")
        budget = ByteBudget(settings.max_inflight_bytes)
        metrics.inflight_bytes.set_function(lambda: budget.used)
        onion = middlewares(
            new_id=new_id,
            metrics=metrics,
            open_deadlines=deadlines,
            budget=budget,
            longest=settings.operation_timeout_secs,
        )
        table = routes(
            make_messages(
                settings,
                Producer(log, catalog, clock=time.time, max_message_bytes=settings.max_message_bytes, metrics=metrics),
                consumer,
                EventEncoder(now=lambda: datetime.now(UTC), new_id=new_id),
            ),
            Streams(catalog, most_bytes=settings.max_request_body_size),
            Operations(health, metrics, clock=time.time),
        )
        app = create_app(table, onion, stopping=lambda: health.stopping)
        yield Gateway(app, log, health, consumer, deadlines, budget)
    finally:
        await link.stop()


def make_log(settings: Settings) -> Log:
    """The broker that `BROKER_URL` names, not yet open."""
    window = {"dedupe_window_secs": settings.dedupe_window_secs, "dedupe_max_ids": settings.dedupe_max_ids}
    retention = settings.retention_check_interval_secs
    match settings.broker:
        case MemoryUrl():
            return MemoryBroker(clock=time.time, retention_interval=retention, **window)
        case SqliteUrl(path):
            return SqliteBroker(path, clock=time.time, retention_interval=retention, **window)
        case KafkaUrl() as url:
            return KafkaBroker(kafka_options(settings, url))


def kafka_options(settings: Settings, url: KafkaUrl) -> KafkaOptions:
    """User and password come from the URL, else from their own variables; a user alone means SASL."""
    password = settings.kafka_sasl_password
    username = url.username or settings.kafka_sasl_username
    key_password = settings.kafka_ssl_password
    return KafkaOptions(
        servers=url.servers,
        security_protocol=settings.kafka_security_protocol or ("SASL_PLAINTEXT" if username else "PLAINTEXT"),
        sasl_mechanism=settings.kafka_sasl_mechanism,
        username=username,
        password=url.password or (password.get_secret_value() if password else None),
        ssl_cafile=settings.kafka_ssl_cafile,
        ssl_certfile=settings.kafka_ssl_certfile,
        ssl_keyfile=settings.kafka_ssl_keyfile,
        ssl_password=key_password.get_secret_value() if key_password else None,
        default_replication_factor=settings.default_replication_factor,
    )


def make_catalog(settings: Settings, log: Log) -> Catalog:
    defaults = Defaults(
        topic=TopicName.create(settings.default_stream, settings.default_topic),
        partitions=settings.default_partitions,
        retention_ms=settings.topic_retention_ms,
    )
    return Catalog(log, clock=time.time, monotonic=time.monotonic, defaults=defaults)


def make_messages(settings: Settings, producer: Producer, consumer: Consumer, encoder: EventEncoder) -> Messages:
    return Messages(
        producer,
        consumer,
        Parser(encoder, most=settings.batch_max_size),
        default=TopicName.create(settings.default_stream, settings.default_topic),
        most_bytes=settings.max_request_body_size,
        most_polled=settings.poll_max_count,
    )
