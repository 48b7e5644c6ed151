"""Health, readiness, totals and metrics: what operators and their machines ask for."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from app.api.responses import json_response, time_text
from app.deadline import Clock
from app.gateway.health import Health
from app.gateway.stats import Stats
from app.telemetry.metrics import Metrics


class Operations:
    """Handlers for `/health`, `/ready`, `/stats`, `/metrics` and `/openapi.json`."""

    def __init__(
        self, health: Health, stats: Stats, metrics: Metrics, document: Mapping[str, Any], *, clock: Clock
    ) -> None:
        self._health = health
        self._stats = stats
        self._metrics = metrics
        self._clock = clock
        self._document = msgspec.json.encode(document)
        self._document_tag = hashlib.sha256(self._document).hexdigest()[:32]

    async def health(self, _request: web.Request) -> web.Response:
        health = self._health
        return json_response(
            {
                "status": "healthy" if health.ready else "degraded",
                "broker_connected": health.broker_connected,
                "broker": health.broker_kind,
                "version": health.version,
                "timestamp": time_text(int(self._clock() * 1000)),
                "components": {
                    "broker": "up" if health.broker_connected else "down",
                    "gateway": "stopping" if health.stopping else "up",
                },
            }
        )

    async def ready(self, _request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.OK if self._health.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def stats(self, _request: web.Request) -> web.Response:
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

    async def metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.expose(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    async def openapi(self, request: web.Request) -> web.Response:
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {self._document_tag, "*"}:
            response = web.Response(status=HTTPStatus.NOT_MODIFIED)
        else:
            response = web.Response(body=self._document, content_type="application/json")
        response.etag = self._document_tag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"  # may be kept, is to be asked for again
        return response
