"""Every way a request can fail, as one tree. The edge in (`api`) maps it to HTTP, once.

SluiceError                          internal_error
├── BadRequest                       bad_request            it cannot be read
│   └── ValidationFailed             validation_error       it was read, a part of it is refused
├── Unauthorized                     unauthorized           no key, or not one of ours
├── Forbidden                        forbidden              a valid key without this right
├── NotFound                         not_found
├── MethodNotAllowed                 method_not_allowed
├── NotAcceptable                    not_acceptable         none of what the client takes can be answered
├── RequestTooSlow                   request_timeout
├── AlreadyExists                    already_exists
├── Conflict                         conflict
├── PayloadTooLarge                  payload_too_large
├── MessageTooLarge                  message_too_large
├── UnsupportedMediaType             unsupported_media_type
├── TooManyRequests                  too_many_requests      worth trying again later
├── StreamFailed · TopicFailed · SendFailed · PollFailed    stream_error · topic_error · send_error · poll_error
├── Unavailable                      connection_failed      worth trying again later
│   ├── Disconnected                 disconnected
│   ├── CircuitOpen                  circuit_open
│   ├── Overloaded                   overloaded
│   └── ShuttingDown                 shutting_down
├── DeadlineExceeded                 timeout
└── StorageFull                      storage_full

ConfigError                          the start is refused (exit code 78)
ResourceUnavailable                  a port or a log file can't be had (exit code 69)
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

OutcomeName = Literal["not_written", "unknown"]
NOT_WRITTEN: OutcomeName = "not_written"
UNKNOWN: OutcomeName = "unknown"

Detail = Mapping[str, Any]


class SluiceError(Exception):
    """A failure with a stable code, a sentence for the client, and what became of the records.

    `outcome` is a promise: `not_written` means the records are in no log, now or later;
    `unknown` means that the broker may or may not have taken them.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[Detail] | None = None,
        outcome: OutcomeName = NOT_WRITTEN,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.outcome = outcome


class BadRequest(SluiceError):
    code = "bad_request"


class ValidationFailed(BadRequest):
    """`details` is a list of {index?, field, message}."""

    code = "validation_error"

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationFailed":
        """One refused field, told both in the sentence and in the details."""
        return cls(f"{field}: {message}", details=[{"field": field, "message": message}])


class Unauthorized(SluiceError):
    code = "unauthorized"


class Forbidden(SluiceError):
    code = "forbidden"


class NotFound(SluiceError):
    code = "not_found"


class MethodNotAllowed(SluiceError):
    code = "method_not_allowed"


class NotAcceptable(SluiceError):
    code = "not_acceptable"


class RequestTooSlow(SluiceError):
    code = "request_timeout"


class AlreadyExists(SluiceError):
    code = "already_exists"


class Conflict(SluiceError):
    code = "conflict"


class PayloadTooLarge(SluiceError):
    code = "payload_too_large"


class MessageTooLarge(SluiceError):
    code = "message_too_large"


class UnsupportedMediaType(SluiceError):
    code = "unsupported_media_type"


class TooManyRequests(SluiceError):
    """The next one is welcome `retry_after` seconds from now."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: float = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


class StreamFailed(SluiceError):
    code = "stream_error"


class TopicFailed(SluiceError):
    code = "topic_error"


class SendFailed(SluiceError):
    code = "send_error"


class PollFailed(SluiceError):
    code = "poll_error"


class Unavailable(SluiceError):
    """The broker or the gateway can't serve this now; the same request may succeed after `retry_after` seconds."""

    code = "connection_failed"
    retry_after: int = 1


class Disconnected(Unavailable):
    code = "disconnected"


class CircuitOpen(Unavailable):
    """The broker failed again and again: nothing is sent to it before `retry_after` seconds have passed."""

    code = "circuit_open"

    def __init__(self, message: str, *, retry_after: float = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


class Overloaded(Unavailable):
    code = "overloaded"


class ShuttingDown(Unavailable):
    code = "shutting_down"


class DeadlineExceeded(SluiceError):
    code = "timeout"


class StorageFull(SluiceError):
    code = "storage_full"


class ConfigError(Exception):
    """A setting that stops the start: one line that names variable, value and what is expected."""


class ResourceUnavailable(Exception):
    """Something the process needs for itself, a port or a log file, is taken or out of reach."""
