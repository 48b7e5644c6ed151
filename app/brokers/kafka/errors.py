"""aiokafka's errors as ours. Nothing of aiokafka's leaves this package, and no text of ours repeats a record.

What a failed write means is STACK knowledge: an answer of the broker is a "no", silence is not
(https://kafka.apache.org/protocol#protocol_error_codes).
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors as kafka

from app.brokers.kafka.tokens import TokenFailed
from app.errors import (
    NOT_WRITTEN,
    UNKNOWN,
    AlreadyExists,
    Conflict,
    Disconnected,
    MessageTooLarge,
    NotFound,
    PollFailed,
    SendFailed,
    SluiceError,
    TopicFailed,
    ValidationFailed,
)

MOVED = frozenset({3, 5, 6, 9, 56, 74, 75, 76, 78, 100, 103})
"""The leader is elsewhere, or not yet known there: ask for it again."""

COORDINATOR_MOVED = frozenset({14, 15, 16})
_NO_CONTROLLER = 41

_AWAY = (
    kafka.KafkaConnectionError,
    kafka.NodeNotReadyError,
    kafka.RequestTimedOutError,
    kafka.KafkaTimeoutError,
    kafka.StaleMetadata,
    kafka.NoBrokersAvailable,
    kafka.CorrelationIdError,
    kafka.ProducerClosed,
    kafka.LeaderNotAvailableError,
    kafka.NotLeaderForPartitionError,
    kafka.GroupCoordinatorNotAvailableError,
    kafka.GroupLoadInProgressError,
    kafka.NotCoordinatorForGroupError,
    asyncio.TimeoutError,
    OSError,
)
_REFUSED = (
    kafka.AuthenticationFailedError,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
)
_UNSURE = (kafka.NotEnoughReplicasAfterAppendError, kafka.DuplicateSequenceNumber)
_POISON = (
    kafka.OutOfOrderSequenceNumber,
    kafka.InvalidProducerEpoch,
    kafka.InvalidProducerIdMapping,
    kafka.UnknownProducerId,
    kafka.ProducerFenced,
)
_LIVE_MEMBERS = frozenset({22, 25, 27, 68, 86})

_FIELDS = {
    17: "name",
    37: "partitions",
    38: "replication_factor",
    39: "replication_factor",
    40: "configs",
    42: "configs",
}


@contextmanager
def kafka_errors(doing: str, otherwise: type[SluiceError] = TopicFailed) -> Iterator[None]:
    """Raises Disconnected when no broker answers `doing`, `otherwise` when one refuses it."""
    try:
        yield
    except _REFUSED as error:
        raise Disconnected(f"the Kafka brokers refuse the credentials: {_name(error)}") from error
    except TokenFailed as error:
        raise Disconnected(error.sentence) from error
    except ssl.SSLError as error:
        raise Disconnected(f"no TLS with the Kafka brokers: {_tls_reason(error)}") from error
    except _AWAY as error:
        raise Disconnected(f"the Kafka brokers can't be reached: {doing} failed with {_name(error)}") from error
    except kafka.KafkaError as error:
        raise otherwise(f"{doing} failed: {_name(error)}") from error


def of_code(code: int, doing: str, *, topic: str = "", otherwise: type[SluiceError] = TopicFailed) -> SluiceError:
    """What an error code in an answer means to our caller."""
    if code == 3:
        return NotFound(f"topic '{topic}' does not exist")
    if code in _LIVE_MEMBERS:
        return Conflict(f"{doing} is refused: the consumer group has live members")
    error = kafka.for_code(code)
    if issubclass(error, _AWAY) or code in (*MOVED, _NO_CONTROLLER):
        return Disconnected(f"the Kafka brokers can't serve this now: {doing} was answered with {error.__name__}")
    return otherwise(f"{doing} failed: {error.__name__} (Kafka's error {code})")


def of_creation(code: int, sentence: str | None, topic: str) -> SluiceError:
    """Why a topic could not be made, in the broker's own words where it has some."""
    if code == 36:
        return AlreadyExists(f"topic '{topic}' exists already")
    reason = sentence or kafka.for_code(code).__name__
    if code == 17 and "collide" in reason:
        return Conflict(f"topic '{topic}': {reason}")
    if code == 44:
        return ValidationFailed(reason)
    if code in _FIELDS:
        return ValidationFailed.of(_FIELDS[code], reason)
    if code == 7:
        return Disconnected(f"the Kafka brokers did not finish making topic '{topic}' in time", outcome=UNKNOWN)
    return of_code(code, f"making topic '{topic}'")


def is_poison(error: BaseException) -> bool:
    """Whether the producer is of no more use: the brokers refuse all it sends to that partition, and write nothing."""
    return isinstance(error, _POISON)


def of_write(error: BaseException) -> SluiceError:
    """What became of a batch that aiokafka was handed and gave back as failed."""
    if is_poison(error):
        return Disconnected(f"the producer has to be made anew: {_name(error)}", outcome=NOT_WRITTEN)
    if isinstance(error, kafka.UnknownTopicOrPartitionError):
        return NotFound("the topic was deleted before the records were taken", outcome=NOT_WRITTEN)
    if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
        return MessageTooLarge("the topic's max.message.bytes is smaller than this record batch", outcome=NOT_WRITTEN)
    if isinstance(error, _AWAY):  # also a lost leader: an earlier attempt of the same batch may have reached it
        return Disconnected(f"the Kafka brokers did not confirm the write: {_name(error)}", outcome=UNKNOWN)
    refused = isinstance(error, kafka.BrokerResponseError) and not isinstance(error, _UNSURE)
    return SendFailed(f"the write failed: {_name(error)}", outcome=NOT_WRITTEN if refused else UNKNOWN)


def of_handover(error: BaseException) -> SluiceError:
    """Why a batch was never queued by aiokafka: it is in no log."""
    away = isinstance(error, _AWAY)
    kind = Disconnected if away else SendFailed
    return kind(f"the write was not begun: {_name(error)}", outcome=NOT_WRITTEN)


def poll_failed(error: BaseException) -> SluiceError:
    return PollFailed(f"the records can't be decoded: {_name(error)}")


def _tls_reason(error: ssl.SSLError) -> str:
    """What OpenSSL says of a certificate, or the alert or misunderstanding that ended the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"their certificate is not trusted: {error.verify_message}"
    reason = error.reason or _name(error)
    ours = "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)
    return f"they want a certificate of ours that they trust: {reason}" if ours else reason


def _name(error: BaseException) -> str:
    return type(error).__name__
