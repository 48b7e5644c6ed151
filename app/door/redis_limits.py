"""The limits of several gateways at once, kept in one Redis; without it for as long as it does not answer."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.door.limits import Demand, LocalLimiter, Verdict, verdict
from app.telemetry.logs import get_logger
from app.telemetry.metrics.door import DoorMetrics

DEADLINE_SECONDS = 0.05
AWAY_SECONDS = 1.0
"""For so long after a failure nobody waits for Redis."""

_CONNECTIONS = 16
_PREFIX = "sluice:limit:"
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local empty, answer, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local rate, size = ARGV[3 * i - 2], ARGV[3 * i - 1]
    empty[i] = math.max((tonumber(redis.call('GET', key)) or now) - now, 0)
    local wait = math.max(empty[i] + (1 - size) / rate, 0)
    if wait < 0.00001 then wait = 0 else refused = true end
    answer[2 * i] = string.format('%.6f', wait)
end
for i, key in ipairs(KEYS) do
    if not refused then
        empty[i] = empty[i] + ARGV[3 * i] / ARGV[3 * i - 2]
        redis.call('SET', key, string.format('%.6f', now + empty[i]), 'PX', math.ceil(empty[i] * 1000) + 1)
    end
    answer[2 * i - 1] = string.format('%.6f', empty[i])
end
return answer
"""
"""Each key holds the moment at which its bucket is full, by the clock of Redis; all demands are met or none."""

_log = get_logger(__name__)


@asynccontextmanager
async def open_redis_limiter(
    url: str,
    fallback: LocalLimiter,
    metrics: DoorMetrics,
    monotonic: Callable[[], float],
    *,
    deadline: float = DEADLINE_SECONDS,
) -> AsyncIterator["RedisLimiter"]:
    """A limiter on the Redis at `url`, which need not be there yet and is given `deadline` seconds for each answer.

    Raises ValueError: that is no such URL.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=deadline,
        socket_connect_timeout=deadline,
        retry=Retry(NoBackoff(), 0),
    )
    async with Redis(connection_pool=pool) as redis:
        try:
            yield RedisLimiter(redis, fallback, metrics, monotonic, deadline)
        finally:
            await pool.disconnect()


class RedisLimiter:
    """As `LocalLimiter`, over all gateways that have the same Redis.

    Where Redis does not answer within `deadline` seconds, or refuses, `fallback` decides, which knows this process's
    (or these workers') callers only, and goes on doing so for a second before Redis is asked again.
    """

    def __init__(
        self,
        redis: Redis,
        fallback: LocalLimiter,
        metrics: DoorMetrics,
        monotonic: Callable[[], float],
        deadline: float,
    ) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._fallback = fallback
        self._metrics = metrics
        self._monotonic = monotonic
        self._deadline = deadline
        self._away_until = -math.inf
        self._away = False

    async def take(self, demand: Demand) -> Verdict:
        [found] = await self.take_all(demand)
        return found

    async def take_all(self, *demands: Demand) -> list[Verdict]:
        if self._monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(self._deadline):
                    answer = await self._script(
                        keys=[f"{_PREFIX}{demand.caller}:{demand.rate}:{demand.size}" for demand in demands],
                        args=[number for demand in demands for number in (demand.rate, demand.size, demand.cost)],
                    )
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
            else:
                self._found()
                figures = list(map(float, answer))
                return list(map(verdict, demands, figures[::2], figures[1::2]))
        self._metrics.limit_fallbacks.inc()
        return await self._fallback.take_all(*demands)

    def _lost(self, error: Exception) -> None:
        self._away_until = self._monotonic() + AWAY_SECONDS
        if not self._away:
            self._away = True
            _log.warning("limits are kept without redis", reason=type(error).__name__)  # its text may hold the URL

    def _found(self) -> None:
        if self._away:
            self._away = False
            _log.info("limits are kept in redis again")
