"""Who may come in."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from app.api.middleware import Guards
from app.api.middleware.authorise import authorise
from app.api.middleware.cors import cors
from app.api.middleware.identify import identify
from app.api.middleware.limit import limit
from app.door.attempts import Attempts
from app.door.key_watch import KeyWatch
from app.door.keyring import ANYBODY, Identify, Keyring
from app.door.limits import Limiter, LocalLimiter
from app.door.moments import Moments
from app.settings import Settings
from app.telemetry.logs import get_logger
from app.telemetry.metrics import Metrics

_log = get_logger(__name__)


class Door(NamedTuple):
    """`identify` tells whose a request is by the keys it presents; `watch` takes whom to tell of changed keys."""

    identify: Identify
    watch: Callable[[Callable[[int], None]], None]


@asynccontextmanager
async def open_door(settings: Settings) -> AsyncIterator[Door]:
    """The door, its keys kept to the file. Raises ConfigError."""
    if settings.api_key is None and settings.api_keys_file is None:
        _log.warning("ANYBODY MAY DO EVERYTHING: no key is configured; set API_KEY or API_KEYS_FILE")
        yield Door(lambda _: ANYBODY, lambda _: None)
        return
    keyring = Keyring(time.time, master=settings.api_key.get_secret_value() if settings.api_key else None)
    watch = KeyWatch(settings.api_keys_file, keyring) if settings.api_keys_file else None
    if watch:
        watch.start()
    try:
        yield Door(keyring.identify, watch.watch if watch else lambda _: None)
    finally:
        if watch:
            await watch.stop()


@asynccontextmanager
async def open_limiter(settings: Settings, metrics: Metrics, shared: Path | None) -> AsyncIterator[Limiter]:
    """Counts for all gateways with the same Redis, else for all processes that have the folder `shared`, else for this.

    Raises ValueError, where Redis's client refuses the URL, and OSError.
    """
    local = LocalLimiter(Moments.shared(shared / "limits") if shared else Moments.alone(), time.monotonic)
    if settings.redis_url is None:
        yield local
        return
    from app.door.redis_limits import open_redis_limiter  # noqa: PLC0415  # 6 MiB, which most do without

    async with open_redis_limiter(
        settings.redis_url.get_secret_value(), local, metrics.door, time.monotonic
    ) as limiter:
        yield limiter


class Guarded(NamedTuple):
    """What the middlewares ask who let requests in."""

    door: Door
    limiter: Limiter


def make_guards(settings: Settings, guarded: Guarded, metrics: Metrics) -> Guards:
    """The middlewares that let requests in."""
    return Guards(
        cors(settings.origins, metrics.door.refused),
        identify(guarded.door.identify, settings.proxies, in_query=settings.api_key_in_query),
        limit(guarded.limiter, metrics, rps=settings.rate_limit_rps, burst=settings.rate_limit_burst),
        authorise(
            Attempts(time.monotonic),
            metrics,
            default=settings.default,
            without_key=settings.paths_without_key,
        ),
    )
