"""Streams and topics: which there are, new ones, fewer."""

from http import HTTPStatus

from app.api import responses
from app.api.answer import Answer
from app.api.body import read_body
from app.api.parsing import topics as parsing_topics
from app.api.request import Request, topic_of
from app.gateway.catalog import Catalog


class Streams:
    """Handlers for `/streams`, `/streams/{stream}/topics` and what is below them."""

    def __init__(self, catalog: Catalog, *, most_bytes: int) -> None:
        self._catalog = catalog
        self._most_bytes = most_bytes

    async def create_stream(self, request: Request) -> Answer:
        deadline = request.call.deadline
        name = parsing_topics.stream_name((await read_body(request, most=self._most_bytes)).data)
        stream = await deadline.run(self._catalog.create_stream(name, deadline))
        return responses.json_response(responses.stream_body(stream), status=HTTPStatus.CREATED)

    async def create_topic(self, request: Request) -> Answer:
        deadline = request.call.deadline
        body = await read_body(request, most=self._most_bytes)
        name, spec = parsing_topics.topic_spec(request.match_info["stream"], body.data)
        topic = await deadline.run(self._catalog.create_topic(name, spec, deadline))
        return responses.json_response(responses.topic_body(topic), status=HTTPStatus.CREATED)

    async def list_streams(self, request: Request) -> Answer:
        call = request.call
        streams = await call.deadline.run(self._catalog.streams(call.identity.scopes))
        return responses.json_response([responses.stream_body(stream) for stream in streams])

    async def show_stream(self, request: Request) -> Answer:
        call = request.call
        work = self._catalog.stream(request.match_info["stream"], call.identity.scopes)
        stream = await call.deadline.run(work)
        return responses.json_response(responses.stream_body(stream))

    async def delete_stream(self, request: Request) -> Answer:
        deadline = request.call.deadline
        await deadline.run(self._catalog.delete_stream(request.match_info["stream"], deadline))
        return Answer(status=HTTPStatus.NO_CONTENT)

    async def list_topics(self, request: Request) -> Answer:
        call = request.call
        work = self._catalog.topics(request.match_info["stream"], call.identity.scopes)
        topics = await call.deadline.run(work)
        return responses.json_response([responses.topic_body(topic) for topic in topics])

    async def show_topic(self, request: Request) -> Answer:
        topic = await request.call.deadline.run(self._catalog.topic(topic_of(request)))
        return responses.json_response(responses.topic_body(topic))

    async def alter_topic(self, request: Request) -> Answer:
        partitions, configs = parsing_topics.topic_change((await read_body(request, most=self._most_bytes)).data)
        work = self._catalog.alter_topic(topic_of(request), partitions, configs)
        return responses.json_response(responses.topic_body(await request.call.deadline.run(work)))

    async def delete_topic(self, request: Request) -> Answer:
        deadline = request.call.deadline
        await deadline.run(self._catalog.delete_topic(topic_of(request), deadline))
        return Answer(status=HTTPStatus.NO_CONTENT)
