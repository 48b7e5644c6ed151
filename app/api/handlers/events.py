"""The log by attribute: `/events`."""

from datetime import timedelta
from http import HTTPStatus

from aiohttp import hdrs

from app.api.answer import Answer
from app.api.body import read_body
from app.api.call import Call
from app.api.charges import Charges
from app.api.handlers.messages import follow, origin_of
from app.api.parsing import events as parsing
from app.api.parsing.messages import Parser
from app.api.request import Request
from app.api.responses import error_response, json_response
from app.errors import NotFound, Unavailable
from app.event import EPOCH
from app.event_index import Count, EventIndex
from app.gateway.producer import Producer
from app.names import TopicName
from app.record import Failed

_OFF = "this gateway keeps no index of events: set DATABASE_URL=sqlite:///data/views.db to turn it on"


class Events:
    """Handlers for posting an event and for finding some; `index` is None where it is turned off."""

    def __init__(
        self,
        producer: Producer,
        parser: Parser,
        index: EventIndex | None,
        *,
        topic: TopicName,
        most_bytes: int,
        charges: Charges,
    ) -> None:
        self._producer = producer
        self._parser = parser
        self._index = index
        self._topic = topic
        self._most_bytes = most_bytes
        self._charges = charges

    async def post(self, request: Request) -> Answer:
        index, call = self._on(), request.call
        body = await read_body(request, most=self._most_bytes)
        message = self._parser.plain(body.data)
        follow([message])
        event = message.event
        assert event is not None  # noqa: S101  # `plain` makes no tombstones
        if charge := self._charges.take(call, events=1, size=len(body.data)):
            await charge
        [outcome] = await self._producer.send(self._topic, [message], origin_of(request), call.deadline)
        if isinstance(outcome, Failed):
            raise outcome.error
        value, status = event.value, HTTPStatus.CREATED
        if outcome.duplicate:
            value, status = await _stored(index, event.id, call) or value, HTTPStatus.OK
        return _json(value, status=status, location=f"/events/{event.id}")

    async def find(self, request: Request) -> Answer:
        index, call = self._on(), request.call
        query = parsing.events_query(request.query)
        found, lag = await index.find(query, call.identity.scopes.readable, call.deadline)
        page = found[: query.limit]
        response = _json(b"[" + b",".join(event.value for event in page) + b"]", lag=lag)
        if len(found) > query.limit:
            cursor = parsing.cursor_of(page[-1].place, descending=query.descending)
            response.headers[hdrs.LINK] = f'<{request.rel_url.update_query(cursor=cursor)}>; rel="next"'
        return response

    async def show(self, request: Request) -> Answer:
        index, call = self._on(), request.call
        event_id = request.match_info["event_id"].lower()
        value, lag = await index.get(event_id, call.identity.scopes.readable, call.deadline)
        if value is None:
            missing = NotFound("there is no event with this id")
            return _lagging(error_response(missing, call.request_id), lag)
        return _json(value, lag=lag)

    async def summary(self, request: Request) -> Answer:
        index, call = self._on(), request.call
        query, bucket = parsing.summary_query(request.query)
        counts, lag = await index.count(query, bucket, call.identity.scopes.readable, call.deadline)
        response = json_response([_shown(count) for count in counts])
        return _lagging(response, lag)

    def _on(self) -> EventIndex:
        if self._index is None:
            raise NotFound(_OFF)
        return self._index


async def _stored(index: EventIndex, event_id: str, call: Call) -> bytes | None:
    """What a repeat repeats, as far as it can be told: that it is on the log is sure."""
    try:
        stored, _ = await index.get(event_id, call.identity.scopes.readable, call.deadline)
    except Unavailable:
        return None
    return stored


def _shown(count: Count) -> dict[str, str | int]:
    start = (EPOCH + timedelta(microseconds=count.start)).isoformat().replace("+00:00", "Z")
    return {"bucket": start, "event_type": count.event_type, "count": count.number}


def _json(body: bytes, *, status: int = 200, location: str | None = None, lag: int = 0) -> Answer:
    response = Answer(body, status=status)
    if location is not None:
        response.headers[hdrs.LOCATION] = location
    return _lagging(response, lag)


def _lagging(response: Answer, lag: int) -> Answer:
    if lag:
        response.headers["X-Index-Lag"] = str(lag)
    return response
