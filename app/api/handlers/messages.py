"""Messages in and out of a topic: `…/messages` and `…/messages/batch`, named or default."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from multidict import istr

from app.api import responses
from app.api.answer import Answer
from app.api.audit_topic import asks_for_audit
from app.api.body import NDJSON, read_body
from app.api.charges import Charges
from app.api.parsing import messages as parsing
from app.api.polled import polled
from app.api.request import Request
from app.errors import SluiceError
from app.gateway.audit import AUDIT
from app.gateway.consumer import Consumer
from app.gateway.message import Message, Origin
from app.gateway.producer import Producer
from app.names import TopicName
from app.record import Failed, Outcome
from app.telemetry.logs import bind
from app.telemetry.trace_context import HEADER, is_traceparent

_TRACEPARENT = istr(HEADER)


class Bounds(NamedTuple):
    """The most bytes of a body, and the most messages of a page."""

    body: int
    page: int


class Messages:
    """Handlers for sending and polling; `default` is the topic that `/messages` means.

    `used` is told of every topic that is asked for, which need not exist.
    """

    def __init__(
        self,
        producer: Producer,
        consumer: Consumer,
        parser: parsing.Parser,
        *,
        default: TopicName,
        bounds: Bounds,
        charges: Charges,
        used: Callable[[str], None],
    ) -> None:
        self._producer = producer
        self._consumer = consumer
        self._parser = parser
        self._default = default
        self._bounds = bounds
        self._charges = charges
        self._used = used

    async def send(self, request: Request) -> Answer:
        topic = self._topic(request)
        body = await read_body(request, most=self._bounds.body)
        messages = [message] = [self._parser.send(body.data)]
        follow(messages)
        if charge := self._charges.take(request.call, events=1, size=len(body.data)):
            await charge
        [outcome] = await self._producer.send(topic, messages, origin_of(request), request.call.deadline)
        return responses.sent_one(topic, message, outcome)

    async def send_batch(self, request: Request) -> Answer:
        topic = self._topic(request)
        partial = parsing.wants_partial(request.query)
        body = await read_body(request, most=self._bounds.body, ndjson=True)
        read = self._parser.lines if body.content_type == NDJSON else self._parser.batch
        items = read(body.data)
        good = [item for item in items if isinstance(item, Message)]
        if len(good) < len(items) and not (partial and good):
            raise parsing.refused_batch(items)
        follow(good)
        if charge := self._charges.take(request.call, events=len(good), size=len(body.data)):
            await charge
        sent = await self._producer.send(topic, good, origin_of(request), request.call.deadline, partial=partial)
        outcomes = sent if len(good) == len(items) else _in_place(items, sent)
        return responses.sent_many(topic, items, outcomes)

    async def poll(self, request: Request) -> Answer:
        topic = AUDIT if asks_for_audit(request) else self._topic(request)
        poll = parsing.poll_query(request.query, most=self._bounds.page)
        call = request.call
        delivery = call.delivery = await self._consumer.poll(topic, poll, call.deadline)
        return polled(poll.partition, delivery.fetched)

    def _topic(self, request: Request) -> TopicName:
        match = request.match_info
        topic = TopicName.address(match["stream"], match["topic"]) if match else self._default
        self._used(topic.full)
        return topic


def origin_of(request: Request) -> Origin:
    """Where the request says that it comes from."""
    call = request.call
    given = call.traceparent or request.headers.get(_TRACEPARENT)
    return Origin(call.request_id, given if given and is_traceparent(given) else None)


def follow(messages: Sequence[Message]) -> None:
    """Let the request's log lines tell what its events belong to, where that is the same of all."""
    first = messages[0].event if messages else None
    if first is None or not (first.correlation_id or first.causation_id):
        return
    for name, common in (("correlation_id", first.correlation_id), ("causation_id", first.causation_id)):
        if common and all(getattr(message.event, name, None) == common for message in messages):
            bind(**{name: common})


def _in_place(items: Sequence[parsing.Item], sent: Sequence[Outcome]) -> list[Outcome]:
    outcomes = iter(sent)
    return [Failed(item) if isinstance(item, SluiceError) else next(outcomes) for item in items]
