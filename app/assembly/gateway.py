"""Settings in, a gateway that runs out."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.api.app import Application
from app.api.charges import Charges
from app.api.handlers.catalog import Streams
from app.api.handlers.consumers import Groups
from app.api.handlers.events import Events
from app.api.handlers.messages import Bounds, Messages
from app.api.handlers.offsets import OffsetsOf
from app.api.handlers.operations import Operations
from app.api.handlers.tails import Tails
from app.api.middleware import middlewares
from app.api.middleware.deadlines import deadlines as timed
from app.api.middleware.errors import errors
from app.api.middleware.identify import presented
from app.api.middleware.request_id import request_id
from app.api.middleware.trace import trace
from app.api.openapi.document import document
from app.api.openapi.operations import OPERATIONS
from app.api.parsing.messages import Parser
from app.api.request import Request
from app.api.route import Middleware, Route
from app.api.routes import METRICS, Handlers, rights, routes, without_admin
from app.assembly.core import Core, open_core
from app.assembly.door import Guarded, make_guards, open_door, open_limiter
from app.assembly.events import open_index
from app.assembly.tracing import open_tracing
from app.broker import Log
from app.deadline import Deadlines
from app.door.keyring import Identity
from app.event_index import EventIndex
from app.gateway.audit import Audit
from app.gateway.consumer import Consumer
from app.gateway.consumers import Consumers
from app.gateway.health import Health
from app.gateway.live.live import Live
from app.gateway.offsets import Offsets
from app.ids import UuidSource
from app.resilience.budget import ByteBudget
from app.settings import Settings
from app.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Gateway:
    """A gateway whose parts are joined and whose log is open, or being opened."""

    app: Application
    admin_app: Application | None
    metrics_app: Application
    log: Log
    health: Health
    consumer: Consumer
    live: Live
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
    new_id = UuidSource()
    async with (
        open_door(settings) as door,
        open_limiter(settings, metrics, shared) as limiter,
        open_tracing(settings) as tracing,
        open_core(settings, door, metrics, new_id, tracing) as core,
        open_index(settings, core.log, metrics, tracing) as index,
    ):
        traced = trace(tracing) if tracing else None
        yield _join(settings, metrics, Guarded(door, limiter), core, index, new_id, traced)


def _join(
    settings: Settings,
    metrics: Metrics,
    guarded: Guarded,
    core: Core,
    index: EventIndex | None,
    new_id: UuidSource,
    traced: Middleware | None,
) -> Gateway:
    operations = Operations(
        core.health, core.stats, metrics, lambda: document(OPERATIONS, rights(table)), clock=time.time
    )
    table = routes(_handlers(settings, metrics, guarded, core, index, operations))
    deadlines, budget = Deadlines(), ByteBudget(settings.max_inflight_bytes)
    metrics.follow(metrics.broker.inflight_bytes, lambda: budget.used)
    metrics.follow(metrics.http.in_flight, lambda: len(deadlines))
    onion = middlewares(
        new_id=new_id,
        metrics=metrics,
        trail=core.trail,
        door=make_guards(settings, guarded, metrics),
        timed=timed(deadlines, budget, longest=settings.operation_timeout_secs),
        traced=traced,
    )
    app = partial(Application, stopping=core.health.stopping)
    return Gateway(
        *_apps(settings, table, partial(app, middlewares=onion)),
        app([row for row in table if row.path == METRICS], middlewares=(request_id(new_id), errors)),
        core.log,
        core.health,
        core.consumer,
        core.live,
        deadlines,
        budget,
        metrics,
        core.trail,
    )


def _apps(
    settings: Settings, table: Sequence[Route], app: Callable[[Sequence[Route]], Application]
) -> tuple[Application, Application | None]:
    """For everybody, and for administrators where they have a port of their own."""
    if settings.admin_port:
        return app(without_admin(table)), app(table)
    return app(table), None


def _handlers(
    settings: Settings,
    metrics: Metrics,
    guarded: Guarded,
    core: Core,
    index: EventIndex | None,
    operations: Operations,
) -> Handlers:
    most, prefix = settings.max_request_body_size, settings.consumer_group_prefix
    parser = Parser(core.encoder, most=settings.batch_max_size)
    charges = Charges(
        guarded.limiter,
        metrics,
        events_per_second=settings.events_per_second,
        bytes_per_second=settings.bytes_per_second,
    )
    messages = Messages(
        core.producer,
        core.consumer,
        parser,
        default=settings.default,
        bounds=Bounds(most, settings.poll_max_count),
        charges=charges,
        used=core.replication.use,
    )
    return Handlers(
        messages,
        Events(core.producer, parser, index, topic=settings.default, most_bytes=most, charges=charges),
        Streams(core.catalog, most_bytes=most),
        OffsetsOf(Offsets(core.log, group_prefix=prefix), most_bytes=most),
        Groups(Consumers(core.log, group_prefix=prefix)),
        Tails(core.live, metrics.tails, _whose(settings, guarded), clock=time.time),
        operations,
    )


def _whose(settings: Settings, guarded: Guarded) -> Callable[[Request], Identity]:
    """Whose a request is now, by the key it came with."""
    return lambda request: guarded.door.identify(presented(request, in_query=settings.api_key_in_query))
