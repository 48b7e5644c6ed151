"""Whatever goes wrong inside becomes an answer of the one error shape; what nobody foresaw is logged, not told."""

from aiohttp import hdrs, web

from app.api.responses import error_response
from app.api.state import CALL, Handler, carries_events, client_gone
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


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SluiceError as error:
        return _answer(request, error, error.outcome)
    except web.HTTPException as raised:
        response = _answer(request, framework_error(raised.status, raised.reason), NOT_WRITTEN)
        if hdrs.ALLOW in raised.headers:
            response.headers[hdrs.ALLOW] = raised.headers[hdrs.ALLOW]
        return response
    except Exception as error:
        if isinstance(error, ConnectionError) and client_gone(request):
            raise
        _log.exception("internal error", method=request.method, path=request.path)
        return _answer(request, SluiceError("an internal error; its request id is in the log"), UNKNOWN)


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


def _answer(request: web.Request, error: SluiceError, outcome: OutcomeName) -> web.Response:
    told = outcome if carries_events(request.method, request.path) else None
    return error_response(error, request[CALL].request_id, outcome=told)
