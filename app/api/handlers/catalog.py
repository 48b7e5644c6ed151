"""Streams and topics: new ones."""

from http import HTTPStatus

from aiohttp import web

from app.api import parsing, responses
from app.api.body import read_body
from app.api.state import CALL
from app.gateway.catalog import Catalog


class Streams:
    """Handlers for `/streams` and `/streams/{stream}/topics`."""

    def __init__(self, catalog: Catalog, *, most_bytes: int) -> None:
        self._catalog = catalog
        self._most_bytes = most_bytes

    async def create_stream(self, request: web.Request) -> web.Response:
        deadline = request[CALL].deadline
        name = parsing.stream_name((await read_body(request, most=self._most_bytes)).data)
        stream = await deadline.run(self._catalog.create_stream(name, deadline))
        return responses.json_response(responses.stream_body(stream), status=HTTPStatus.CREATED)

    async def create_topic(self, request: web.Request) -> web.Response:
        deadline = request[CALL].deadline
        body = await read_body(request, most=self._most_bytes)
        name, spec = parsing.topic_spec(request.match_info["stream"], body.data)
        topic = await deadline.run(self._catalog.create_topic(name, spec, deadline))
        return responses.json_response(responses.topic_body(topic), status=HTTPStatus.CREATED)
