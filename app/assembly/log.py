"""Settings in, a log out: which broker, how it is reached, and what stands in front of it."""

import random
import time
from functools import partial

from pydantic import SecretStr

from app.broker import Log
from app.broker_url import KafkaUrl, MemoryUrl, SqliteUrl
from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.security import SaslMechanism, Security, SecurityProtocol
from app.brokers.memory import MemoryBroker
from app.brokers.reconnecting.broker import ReconnectingBroker
from app.brokers.reconnecting.reach import any_answers
from app.brokers.reconnecting.session import Listener, ReconnectPolicy, Session, State
from app.brokers.sqlite.broker import SqliteBroker
from app.brokers.waiting import Waiting
from app.gateway.partitioner import Spread, in_turn
from app.resilience.backoff import Backoff
from app.resilience.breaker import BreakerPolicy, CircuitBreaker
from app.settings import Settings
from app.telemetry.connection import ConnectionMetrics, ConnectionStatus
from app.telemetry.logs import get_logger
from app.telemetry.metrics import Metrics

_log = get_logger(__name__)


def make_log(settings: Settings, metrics: Metrics) -> Log:
    """The broker that `BROKER_URL` names, not yet open."""
    window = {"dedupe_window_secs": settings.dedupe_window_secs, "dedupe_max_ids": settings.dedupe_max_ids}
    retention = settings.retention_check_interval_secs
    match settings.broker:
        case MemoryUrl():
            return MemoryBroker(clock=time.time, retention_interval=retention, **window)
        case SqliteUrl(path):
            committed = metrics.broker.committed
            log = SqliteBroker(path, clock=time.time, retention_interval=retention, committed=committed, **window)
            _follow_queue(metrics, log.waiting)
            return log
        case KafkaUrl() as url:
            return KafkaBroker(kafka_options(settings, url), clock=time.time, **window)


def spread_over(log: Log) -> Spread:
    """Where records go on it that have neither key nor partition."""
    return log.spread if isinstance(log, KafkaBroker) else in_turn()


def make_backoff(settings: Settings) -> Backoff:
    return Backoff(
        settings.reconnect_base_delay_ms / 1000, settings.reconnect_max_delay_ms / 1000, random=random.random
    )


def reconnecting(log: Log, settings: Settings, status: ConnectionStatus, metrics: Metrics) -> ReconnectingBroker:
    """The same log, that comes back by itself when its brokers do."""
    watch = ConnectionMetrics(metrics.broker, status)
    breaker = CircuitBreaker(
        BreakerPolicy(
            settings.circuit_breaker_failure_threshold,
            settings.circuit_breaker_success_threshold,
            settings.circuit_breaker_open_duration_secs,
        ),
        clock=time.monotonic,
        changed=watch.breaker_is,
        rejected=watch.breaker_rejected,
    )

    def state_changed(state: State, reason: str | None) -> None:
        watch.state_is(state, reason)
        if state == "ready":
            breaker.half_open()

    policy = ReconnectPolicy(
        make_backoff(settings), settings.max_reconnect_attempts, settings.health_check_interval_secs
    )
    listener = Listener(state_changed, watch.rebuilt, watch.attempted)
    url = settings.broker
    servers = url.servers if isinstance(url, KafkaUrl) else ()
    broker = ReconnectingBroker(
        log,
        Session(log, policy, listener, partial(any_answers, servers)),
        breaker,
        longest_wait=settings.operation_timeout_secs,
        most_waiting=settings.send_queue_max,
    )
    _follow_queue(metrics, broker.waiting)
    return broker


def _follow_queue(metrics: Metrics, waiting: Waiting) -> None:
    metrics.follow(metrics.broker.send_queue, lambda: len(waiting))
    metrics.follow(metrics.broker.send_queue_age, lambda: waiting.age)


def kafka_options(settings: Settings, url: KafkaUrl) -> KafkaOptions:
    """Raises ConfigError for a way to log in that can't work or that others could read."""
    security = kafka_security(settings, url)
    if security.readable_login:
        _log.warning("nothing sent to Kafka is encrypted", sasl_mechanism=security.mechanism)
    return KafkaOptions(
        url.servers,
        security,
        default_replication_factor=settings.default_replication_factor,
        compression=settings.kafka_compression,
    )


def kafka_security(settings: Settings, url: KafkaUrl) -> Security:
    """User and password come from the URL, else from their own variables. Whoever logs in does so over TLS by default.

    Raises ConfigError.
    """
    username = url.username or settings.kafka_sasl_username
    token_command = _revealed(settings.kafka_sasl_token_command)
    mechanism: SaslMechanism = "OAUTHBEARER" if token_command else "PLAIN"
    protocol: SecurityProtocol = "PLAINTEXT"
    if username or token_command:
        protocol = "SASL_SSL"
    elif settings.kafka_ssl_cafile or settings.kafka_ssl_certfile:
        protocol = "SSL"
    return Security(
        protocol=settings.kafka_security_protocol or protocol,
        mechanism=settings.kafka_sasl_mechanism or mechanism,
        username=username,
        password=url.password or _revealed(settings.kafka_sasl_password),
        token_command=token_command,
        allow_plaintext_passwords=settings.kafka_allow_plaintext_passwords,
        ssl_cafile=settings.kafka_ssl_cafile,
        ssl_certfile=settings.kafka_ssl_certfile,
        ssl_keyfile=settings.kafka_ssl_keyfile,
        ssl_password=_revealed(settings.kafka_ssl_password),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
