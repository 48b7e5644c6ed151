"""A real gateway on a free port, in this process, and a client that speaks to it."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web
from document import hold
from multidict import CIMultiDictProxy

from app.api.wire.connection import Bounds
from app.api.wire.server import GatewayRunner
from app.assembly.gateway import Gateway, open_gateway
from app.ids import UuidSource
from app.settings import load_settings


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: Any


@dataclass(frozen=True)
class Client:
    """Speaks to one gateway. `gateway` is at hand for what a client can't see; `topic` is its default topic's path."""

    url: str
    session: ClientSession
    gateway: Gateway
    topic: str

    async def __call__(self, method: str, path: str, **options) -> Answer:
        async with self.session.request(method, self.url + path, **options) as response:
            data = await response.read()
            body = json.loads(data) if response.content_type == "application/json" and data else data
            hold(method, response.url.raw_path, response.status, response.headers, body)
            return Answer(response.status, response.headers, body)

    async def get(self, path: str, **options) -> Answer:
        return await self("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options) -> Answer:
        return await self("POST", path, json=body, **options)

    async def post_bytes(self, path: str, data: bytes, content_type: str = "application/json", **headers) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self("POST", path, data=data, headers={"Content-Type": content_type, **names})

    async def stream(self) -> str:
        """The name of a new stream."""
        name = f"s{uuid.uuid4().hex[:12]}"
        created = await self.post("/streams", {"name": name})
        assert created.status == 201
        return name

    async def poll(self, partition: int = 0, path: str = "/messages", **query) -> Answer:
        return await self.get(path, params={"partition_id": str(partition), **{k: str(v) for k, v in query.items()}})


@asynccontextmanager
async def running(*, bounds: Bounds | None = None, **environ: str) -> AsyncIterator[Client]:
    """A gateway with these variables set, on memory and without a database unless told otherwise."""
    settings = load_settings({"BROKER_URL": "memory://", "DATABASE_URL": "off", "RATE_LIMIT_RPS": "0", **environ})
    async with open_gateway(settings) as gateway:
        runner = GatewayRunner(
            gateway.app,
            new_id=UuidSource(),
            shutdown_timeout=1,
            bounds=bounds or Bounds(settings.max_connections),
            refused=gateway.metrics.door.refused,
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        topic = f"/streams/{settings.default_stream}/topics/{settings.default_topic}"
        async with ClientSession() as session:
            yield Client(f"http://127.0.0.1:{runner.addresses[0][1]}", session, gateway, topic)
        await runner.cleanup()
