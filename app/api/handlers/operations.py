"""Health, readiness, totals and metrics: what operators and their machines ask for."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from aiohttp import hdrs

from app.api.answer import Answer
from app.api.request import Request
from app.api.responses import json_response, time_text
from app.deadline import Clock
from app.gateway.health import Health
from app.gateway.stats import Stats
from app.telemetry.metrics import Metrics

_MOST_NAMED = 5


class _Described(NamedTuple):
    body: bytes
    tag: str

    @classmethod
    def of(cls, document: Callable[[], Mapping[str, Any]]) -> "_Described":
        body = msgspec.json.encode(document())
        return cls(body, hashlib.sha256(body).hexdigest()[:32])


class Operations:
    """Handlers for `/health`, `/ready`, `/stats`, `/metrics` and `/openapi.json`."""

    def __init__(
        self, health: Health, stats: Stats, metrics: Metrics, document: Callable[[], Mapping[str, Any]], *, clock: Clock
    ) -> None:
        """`document` takes some 0.1 s: it is called in a thread, when somebody first asks for it."""
        self._health = health
        self._stats = stats
        self._metrics = metrics
        self._clock = clock
        self._document = document
        self._described: _Described | None = None

    async def health(self, _request: Request) -> Answer:
        health = self._health
        return json_response(
            {
                "status": "healthy" if health.well else "degraded",
                "broker_connected": health.broker_connected,
                "broker": health.broker_kind,
                "version": health.version,
                "timestamp": time_text(int(self._clock() * 1000)),
                "components": {
                    "broker": "up" if health.broker_connected else "down",
                    "gateway": "stopping" if health.stopping() else "up",
                    "replication": _replication(health.unreplicated),
                },
            }
        )

    async def ready(self, _request: Request) -> Answer:
        return Answer(status=HTTPStatus.OK if self._health.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def stats(self, _request: Request) -> Answer:
        found = self._stats.snapshot()
        totals = found.totals
        return json_response(
            {
                "streams_count": totals and totals.streams,
                "topics_count": totals and totals.topics,
                "total_messages": totals and totals.messages,
                "total_size_bytes": totals and totals.size_bytes,
                "uptime_seconds": round(found.uptime, 3),
                "cache_age_seconds": None if found.age is None else round(found.age, 3),
                "cache_stale": found.stale,
            }
        )

    async def metrics(self, request: Request) -> Answer:
        body, content_type = await self._metrics.expose(request.headers.get(hdrs.ACCEPT, ""))
        return Answer(body, content_type=content_type)

    async def openapi(self, request: Request) -> Answer:
        described = self._described
        if described is None:
            described = self._described = await asyncio.to_thread(_Described.of, self._document)
        known = {tag.value for tag in request.whole.if_none_match or ()}
        unchanged = known & {described.tag, "*"}
        answer = Answer(status=HTTPStatus.NOT_MODIFIED) if unchanged else Answer(described.body)
        answer.headers["ETag"] = f'"{described.tag}"'
        answer.headers["Cache-Control"] = "no-cache"  # may be kept, is to be asked for again
        return answer


def _replication(unreplicated: Sequence[str]) -> str:
    if not unreplicated:
        return "ok"
    named, more = ", ".join(unreplicated[:_MOST_NAMED]), len(unreplicated) - _MOST_NAMED
    return f"on one broker only: {named}{f' and {more} more' if more > 0 else ''}"
