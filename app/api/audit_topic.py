"""The audit trail as a topic, which is there for administrators alone."""

from app.api.request import Request
from app.gateway.audit import AUDIT


def asks_for_audit(request: Request) -> bool:
    """Whether the trail is asked for by a key that may read it. For others it is hidden, as internal names are."""
    identity = request.call.identity
    if identity.name is None or not identity.scopes.admin:
        return False
    match = request.match_info
    return (match.get("stream"), match.get("topic")) == (AUDIT.stream, AUDIT.topic)
