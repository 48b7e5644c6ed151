"""Changes of streams, topics and offsets are told to the audit trail, once their answer is known."""

from typing import Any

import msgspec

from app.api.answer import Answer, Response
from app.api.parsing.offsets import offsets_query
from app.api.request import Handler, Request
from app.api.route import Middleware, Route
from app.gateway.audit import Audit, Who

_TOPIC = "/streams/{stream}/topics/{topic}"
CHANGES = {
    ("POST", "/streams"): "stream.created",
    ("DELETE", "/streams/{stream}"): "stream.deleted",
    ("POST", "/streams/{stream}/topics"): "topic.created",
    ("PATCH", _TOPIC): "topic.altered",
    ("DELETE", _TOPIC): "topic.deleted",
    ("PUT", f"{_TOPIC}/offsets"): "offsets.set",
    ("DELETE", f"{_TOPIC}/offsets"): "offsets.forgotten",
}
"""What is told, and by which event type."""

_OFFSETS = "offsets."


def audit(trail: Audit) -> Middleware:
    """The middleware. It stands outside `errors`, to see every answer as the client does."""

    def middleware(handler: Handler, route: Route) -> Handler:
        action = CHANGES.get((route.method, route.path))
        if action is None:
            return handler

        async def handle(request: Request) -> Response:
            response = await handler(request)
            _tell(trail, action, request, response)
            return response

        return handle

    return middleware


def _tell(trail: Audit, action: str, request: Request, response: Response) -> None:
    """What was changed, may have been (5xx), or was forbidden. Any other refusal changed nothing and is not told."""
    done = response.status < 400
    if not done and response.status < 500 and response.status != 403:
        return
    resource = dict(request.match_info)
    if action.startswith(_OFFSETS) and done:
        asked = offsets_query(request.query)
        if asked.dry_run:
            return
        resource["consumer_id"] = asked.consumer_id
    answer = _answer(response)
    told = {"outcome": "done", "after": answer} if done else {"outcome": answer["error"], "after": None}
    call = request.call
    who = Who(call.identity.name, call.address, call.request_id)
    tell = trail.tell_refused if response.status == 403 else trail.tell
    tell(action, {"resource": resource, **told}, who)


def _answer(response: Response) -> Any:
    """The answer's body, without a topic's list of partitions, which may have a thousand; None for an empty one."""
    if not isinstance(response, Answer) or not response.body:
        return None
    answer = msgspec.json.decode(response.body)
    if "partitions_count" in answer:
        del answer["partitions"]
    return answer
