"""The raw line to a cluster: requests to one node or any, each bounded in time, on connections named by lane."""

import asyncio
import random
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from aiokafka.errors import KafkaConnectionError

from app.brokers.kafka.errors import kafka_errors
from app.brokers.kafka.internals import Client, MetadataRequest, Request, close_client
from app.brokers.kafka.options import KafkaOptions
from app.errors import Disconnected, SluiceError, TopicFailed

T = TypeVar("T")


class Connection:
    """One client for everything but producing. A caller may be cancelled: its request ends on its own.

    Every request raises Disconnected when no broker answers it within the options' time. A lane (any text) has its own
    connection to each node: the brokers answer the requests of one connection one after the other.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._client: Client | None = None
        self._requests: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Raises Disconnected, ConfigError."""
        client = Client(request_timeout_ms=self._milliseconds, **self._options.for_client())
        try:
            with kafka_errors("connecting"):
                await client.bootstrap()
        except BaseException:
            await close_client(client, self._options.close_timeout)
            raise
        self._client = client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            for task in self._requests:
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)
            await close_client(client, self._options.close_timeout)

    @property
    def nodes(self) -> list[int]:
        """The brokers known, in random order. Raises Disconnected when closed."""
        nodes = [broker.nodeId for broker in self._opened().cluster.brokers()]
        random.shuffle(nodes)
        return nodes

    async def send(
        self, node: int, request: Request, *, lane: str = "", otherwise: type[SluiceError] = TopicFailed
    ) -> Any:
        """The answer of one node. Raises Disconnected, `otherwise` when the brokers refuse the very request."""
        client = self._opened()
        return await self._on_its_own(client.send(node, request, group=lane), type(request).__name__, otherwise)

    async def send_to_any(self, request: Request, *, nodes: Iterable[int] | None = None) -> Any:
        """The answer of the first node that gives one."""
        failure = Disconnected("no Kafka broker is known")
        for node in nodes or self.nodes:
            try:
                return await self.send(node, request)
            except Disconnected as error:
                failure = error
        raise failure

    async def metadata(self, topics: list[str] | None, *, node: int | None = None) -> Any:
        """Brokers and the topics named, None: all. Never creates a topic."""
        request = MetadataRequest(topics, allow_auto_topic_creation=False)
        answer = await self.send_to_any(request, nodes=None if node is None else [node])
        if answer.brokers:
            self._opened().cluster.update_metadata(answer)
        return answer

    async def _on_its_own(self, request: Awaitable[T], doing: str, otherwise: type[SluiceError]) -> T:
        task = asyncio.ensure_future(self._bounded(request))
        self._requests.add(task)
        task.add_done_callback(self._end)
        with kafka_errors(doing, otherwise):
            await asyncio.wait({task})
            if task.cancelled():
                raise Disconnected("the connection to Kafka was closed")
            return task.result()

    async def _bounded(self, request: Awaitable[T]) -> T:
        async with asyncio.timeout(2 * self._options.request_timeout):  # connecting counts too
            try:
                return await request
            except KeyError as error:  # aiokafka looks a connection up that was dropped meanwhile
                raise KafkaConnectionError("the connection was dropped") from error

    def _end(self, task: "asyncio.Task[Any]") -> None:
        self._requests.discard(task)
        if not task.cancelled():
            task.exception()

    def _opened(self) -> Client:
        if self._client is None:
            raise Disconnected("not connected to Kafka")
        return self._client

    @property
    def _milliseconds(self) -> int:
        return int(self._options.request_timeout * 1000)
