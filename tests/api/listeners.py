"""A client of live feeds, as plain as RFCs and the HTML standard have it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientResponse, ClientTimeout, ClientWSTimeout
from yarl import URL

TAIL = "/streams/sample-stream/topics/events/tail"
FOREVER = ClientTimeout(total=None, sock_read=None)


@dataclass
class Event:
    kind: str
    data: dict
    id: str


@dataclass
class Listening:
    """Reads server-sent events. `last_id` is what a browser would say in `Last-Event-ID`."""

    response: ClientResponse
    last_id: str = ""
    comments: list[str] = field(default_factory=list)

    async def next(self, seconds: float = 20) -> Event:
        """The next event. Raises StopAsyncIteration at the end, TimeoutError when none comes."""
        async with asyncio.timeout(seconds):
            kind, data = "", []
            while line := await self.response.content.readline():
                text = line.decode().rstrip("\n")
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                if not text and data:
                    return Event(kind or "message", json.loads("\n".join(data)), self.last_id)
                if not text:
                    kind = ""
                elif not name:
                    self.comments.append(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
                elif name == "id":
                    self.last_id = value
            raise StopAsyncIteration

    async def some(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def hello(self) -> None:
        """Return when the feed has begun."""
        async with asyncio.timeout(20):
            while not self.comments:
                line = (await self.response.content.readline()).decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments.append(line[1:].strip())
                elif line.startswith("id:"):
                    self.last_id = line[3:].strip()
            while line := (await self.response.content.readline()).decode().strip():
                self.last_id = line[3:].strip()


@asynccontextmanager
async def socket(client, path: str = TAIL, *, headers: dict | None = None, **query) -> AsyncIterator:
    """A WebSocket on which to hear the same."""
    url = URL(client.url + path).with_query(query)
    patience = ClientWSTimeout(ws_receive=20)
    async with client.session.ws_connect(url, headers=headers, max_msg_size=0, timeout=patience) as opened:
        yield opened


@asynccontextmanager
async def listening(client, path: str = TAIL, *, last_id: str = "", **query) -> AsyncIterator[Listening]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    get = client.session.get(client.url + path, params=query, headers=headers, timeout=FOREVER, read_bufsize=1 << 22)
    async with get as response:
        assert response.status == 200, await response.read()
        assert response.content_type == "text/event-stream"
        listener = Listening(response, last_id)
        await listener.hello()
        yield listener
        response.close()
