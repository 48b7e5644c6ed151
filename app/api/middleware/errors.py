"""Whatever goes wrong inside becomes an answer of the one error shape; what nobody foresaw is logged, not told."""

from aiohttp import hdrs, web

from app.api.answer import Answer, Response
from app.api.request import Handler, Request, client_gone
from app.api.responses import error_response
from app.api.route import Route
from app.errors import (
    NOT_WRITTEN,
    UNKNOWN,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    OutcomeName,
    PayloadTooLarge,
    SluiceError,
)
from app.telemetry.logs import get_logger

_log = get_logger(__name__)


def errors(handler: Handler, _route: Route) -> Handler:
    """The middleware."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except SluiceError as error:
            return _answer(request, error, error.outcome)
        except web.HTTPException as raised:
            response = _answer(request, framework_error(raised.status, raised.reason), NOT_WRITTEN)
            if hdrs.ALLOW in raised.headers:
                response.headers["Allow"] = raised.headers[hdrs.ALLOW]
            return response
        except Exception as error:
            if isinstance(error, ConnectionError) and client_gone(request):
                raise
            _log.exception("internal error", method=request.method, path=request.path)
            return _answer(request, SluiceError("an internal error; its request id is in the log"), UNKNOWN)

    return handle


def framework_error(status: int, reason: str) -> SluiceError:
    """What the framework itself refuses, in our own words."""
    known: dict[int, SluiceError] = {
        404: NotFound("there is nothing at this path"),
        405: MethodNotAllowed("this path does not take this method"),
        413: PayloadTooLarge("the request is too large"),
    }
    if status in known:
        return known[status]
    return BadRequest(reason) if status < 500 else SluiceError("an internal error; its request id is in the log")


def _answer(request: Request, error: SluiceError, outcome: OutcomeName) -> Answer:
    told = outcome if carries_events(request.method, request.path) else None
    return error_response(error, request.call.request_id, outcome=told)


def carries_events(method: str, path: str) -> bool:
    """Whether a failure of this request has to say what became of the records."""
    return method == "POST" and path.endswith(("/messages", "/messages/batch", "/events"))
