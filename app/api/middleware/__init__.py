"""THE tuple: what every request passes through, outermost first. One file a concern."""

from collections.abc import Callable
from typing import NamedTuple

from app.api.middleware.audit import audit
from app.api.middleware.errors import errors
from app.api.middleware.observe import observe
from app.api.middleware.request_id import request_id
from app.api.route import Middleware
from app.gateway.audit import Audit
from app.telemetry.metrics import Metrics


class Guards(NamedTuple):
    """What lets requests in, in this order."""

    cors: Middleware
    identify: Middleware
    limit: Middleware
    authorise: Middleware


def middlewares(
    *,
    new_id: Callable[[], str],
    metrics: Metrics,
    trail: Audit,
    door: Guards,
    timed: Middleware,
    traced: Middleware | None,
) -> tuple[Middleware, ...]:
    """Request id outermost and errors inside observation, so that every answer has an id, a metric and a log line."""
    return (
        request_id(new_id),
        *([traced] if traced else []),
        observe(metrics),
        audit(trail),
        errors,
        *door,
        timed,
    )
