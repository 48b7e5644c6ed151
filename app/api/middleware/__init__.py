"""THE tuple: what every request passes through, outermost first. One file a concern."""

from collections.abc import Callable

from app.api.middleware.audit import audit
from app.api.middleware.compression import compression
from app.api.middleware.errors import errors
from app.api.middleware.observe import observe
from app.api.middleware.request_id import request_id
from app.api.state import Middleware
from app.gateway.audit import Audit
from app.telemetry.metrics import Metrics


def middlewares(
    *,
    new_id: Callable[[], str],
    metrics: Metrics,
    identified: Middleware,
    authorised: Middleware,
    trail: Audit,
    timed: Middleware,
) -> tuple[Middleware, ...]:
    """Request id outermost and errors inside observation, so that every answer has an id, a metric and a log line."""
    return (
        request_id(new_id),
        observe(metrics),
        compression,
        audit(trail),
        errors,
        identified,
        authorised,
        timed,
    )
