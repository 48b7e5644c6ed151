"""All settings, as one frozen object. The only reader of the environment, of `.env` and of the configuration file.

Precedence: flag; `BIND_ADDRESS`, then `HOST` and `PORT`; environment, `.env`, TOML file, default.
An empty value counts as unset. `.env.example` documents every variable.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core import ValidationError

from app.addresses import TrustedProxies
from app.broker_url import BrokerUrl, KafkaUrl, SqliteUrl, parse_broker_url
from app.collector import parse_collector, parse_headers
from app.config_file import read_config
from app.database_url import DatabaseUrl, parse_database_url
from app.errors import ConfigError, ValidationFailed
from app.names import MAX_BROKER_NAME, MAX_PARTITIONS, TopicName, check_new_name

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]*):([0-9]{1,5})")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s,]+")
_LEVELS = {"debug", "info", "warning", "error", "critical"}

_SECRETS = {"broker_url", "database_url", "redis_url", "api_key", "otel_exporter_otlp_headers"}
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]


def _redis(text: str) -> None:
    url = urlsplit(text)
    if url.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    _ = url.port  # ValueError, where that is no number


def _fit_for(parse: Callable[[str], object]) -> AfterValidator:
    """A secret that `parse` can read, kept as it is."""

    def check(value: SecretStr) -> SecretStr:
        parse(value.get_secret_value())
        return value

    return AfterValidator(check)


class Settings(BaseModel):
    """Each field is the environment variable of the same name, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "0.0.0.0"
    port: Port = 8000
    bind_address: str | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    metrics_port: Port = 0
    admin_port: Port = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    broker_url: Annotated[SecretStr, _fit_for(parse_broker_url)] = SecretStr("sqlite:///data/log.db")
    database_url: Annotated[SecretStr, _fit_for(parse_database_url)] = SecretStr("sqlite:///data/views.db")
    startup_require_broker: bool = False
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_sasl_token_command: SecretStr | None = None
    kafka_allow_plaintext_passwords: bool = False
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_password: SecretStr | None = None

    api_key: SecretStr | None = None
    api_keys_file: Path | None = None
    api_key_in_query: bool = False
    auth_bypass_paths: str = "/health,/ready"
    trusted_proxies: str = ""
    cors_allowed_origins: str = "*"
    rate_limit_rps: Annotated[float, Field(ge=0)] = 100
    rate_limit_burst: Positive = 50
    events_per_second: Annotated[float, Field(ge=0)] = 0
    bytes_per_second: Annotated[float, Field(ge=0)] = 0
    redis_url: Annotated[SecretStr, _fit_for(_redis)] | None = None

    default_stream: str = "sample-stream"
    default_topic: str = "events"
    default_partitions: Annotated[int, Field(ge=1, le=MAX_PARTITIONS)] = 3
    default_replication_factor: Positive | None = None
    topic_retention_ms: Annotated[int, Field(ge=-1)] = 604_800_000
    audit_retention_ms: Annotated[int, Field(ge=-1)] = 2_592_000_000
    consumer_group_prefix: str = "http-"

    batch_max_size: Positive = 1000
    poll_max_count: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_request_body_size: Positive = 10_485_760
    max_message_bytes: Positive = 1_000_000
    max_connections: Annotated[int, Field(ge=0)] = 10_000
    max_inflight_bytes: Positive = 67_108_864
    tail_buffer_bytes: Positive = 1_048_576
    dedupe_window_secs: Annotated[int, Field(ge=0)] = 600
    dedupe_max_ids: Positive = 200_000
    retention_check_interval_secs: Annotated[float, Field(gt=0)] = 30

    event_index_topics: str = ""
    event_index_max_events: Annotated[int, Field(ge=0)] = 0
    event_index_max_age_secs: Annotated[int, Field(ge=0)] = 0
    event_index_wait_ms: Annotated[int, Field(ge=0, le=30_000)] = 2000

    operation_timeout_secs: Annotated[float, Field(gt=0)] = 30
    kafka_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    send_queue_max: Positive = 10_000
    max_reconnect_attempts: Annotated[int, Field(ge=0)] = 0
    reconnect_base_delay_ms: Positive = 1000
    reconnect_max_delay_ms: Positive = 30_000
    circuit_breaker_failure_threshold: Positive = 5
    circuit_breaker_success_threshold: Positive = 2
    circuit_breaker_open_duration_secs: Annotated[float, Field(gt=0)] = 30
    stats_cache_ttl_secs: Annotated[float, Field(gt=0)] = 5
    health_check_interval_secs: Annotated[float, Field(gt=0)] = 30

    log_level: str = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(parse_collector)] | None = None
    otel_exporter_otlp_headers: Annotated[SecretStr, _fit_for(parse_headers)] | None = None
    jaeger_endpoint: Annotated[str, AfterValidator(parse_collector)] | None = None
    otel_service_name: Annotated[str, Field(min_length=1, max_length=255)] = "sluice"
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 0.1

    @field_validator("bind_address")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        match = _ADDRESS.fullmatch(value) if value else None
        if value and (match is None or int(match[2]) > 65535):
            raise ValueError("must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
        return value

    @field_validator("api_key")
    @classmethod
    def _fit_for_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("must be of printable ASCII characters without spaces")
        return value

    @field_validator("default_stream", "default_topic")
    @classmethod
    def _legal_name(cls, value: str, info: Any) -> str:
        try:
            check_new_name(info.field_name.removeprefix("default_"), value, dots=info.field_name == "default_topic")
        except ValidationFailed as error:
            raise ValueError(error.message) from None
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        TrustedProxies(_listed(value))
        return value

    @field_validator("cors_allowed_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} must be * or an origin such as https://app.example.com, without a path")
        return value

    @field_validator("consumer_group_prefix")
    @classmethod
    def _legal_prefix(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,50}", value):
            raise ValueError("must be 1–50 of the characters A-Z a-z 0-9 . _ -")
        return value

    @field_validator("log_level")
    @classmethod
    def _level_per_module(cls, value: str) -> str:
        for part in value.split(","):
            module, _, level = part.strip().rpartition("=")
            if level.lower() not in _LEVELS:
                raise ValueError(f"must be one of {', '.join(sorted(_LEVELS))}, or such as info,app.gateway=debug")
            if module.startswith("aiokafka") and level.lower() == "debug":
                raise ValueError("must not be debug for aiokafka, which would print passwords, keys and values")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.reconnect_base_delay_ms > self.reconnect_max_delay_ms:
            raise ValueError("RECONNECT_BASE_DELAY_MS must not be larger than RECONNECT_MAX_DELAY_MS")
        if self.max_inflight_bytes < self.max_request_body_size:
            raise ValueError("MAX_INFLIGHT_BYTES must not be smaller than MAX_REQUEST_BODY_SIZE")
        if len(self.default.full) > MAX_BROKER_NAME:
            raise ValueError(f"DEFAULT_STREAM and DEFAULT_TOPIC together have more than {MAX_BROKER_NAME} characters")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS_CERT and TLS_KEY go together: one of them is unset")
        if self.workers > 1 and not isinstance(self.broker, KafkaUrl):
            raise ValueError(
                f"WORKERS: {self.workers} processes can't share an embedded log, which belongs to one; "
                "to grow past one process set BROKER_URL to a Kafka cluster"
            )
        if self.workers > 1 and isinstance(self.database, SqliteUrl):
            reason = f"WORKERS: {self.workers} processes can't share a database in one file, which belongs to one"
            raise ValueError(f"{reason}; set DATABASE_URL to a PostgreSQL server, or to off")
        return self

    @property
    def database(self) -> DatabaseUrl | None:
        """Where the read models are; None: they are off."""
        return parse_database_url(self.database_url.get_secret_value())

    @property
    def default(self) -> TopicName:
        """The topic of `/messages` and `/events`."""
        return TopicName(self.default_stream, self.default_topic)

    @property
    def indexed_topics(self) -> tuple[str, ...]:
        """The topics that `/events` tells of, by the broker's names."""
        return tuple(dict.fromkeys(_listed(self.event_index_topics))) or (self.default.full,)

    @property
    def collector(self) -> str | None:
        """Where spans are sent: the base URL of what takes OTLP over HTTP; None: there are none."""
        return self.otel_exporter_otlp_endpoint or self.jaeger_endpoint

    @property
    def collector_headers(self) -> dict[str, str]:
        given = self.otel_exporter_otlp_headers
        return parse_headers(given.get_secret_value()) if given else {}

    @property
    def paths_without_key(self) -> frozenset[str]:
        """`AUTH_BYPASS_PATHS`, each to be met exactly."""
        return frozenset(path.strip() for path in self.auth_bypass_paths.split(","))

    @property
    def proxies(self) -> TrustedProxies:
        """Who is listened to about a client's address."""
        return TrustedProxies(_listed(self.trusted_proxies))

    @property
    def origins(self) -> frozenset[str]:
        """Whose web pages may read our answers."""
        return frozenset(_listed(self.cors_allowed_origins))

    @property
    def broker(self) -> BrokerUrl:
        """Which log to stand on."""
        return parse_broker_url(self.broker_url.get_secret_value())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen at."""
        match = _ADDRESS.fullmatch(self.bind_address or "")
        if match is None:
            return self.host, self.port
        return match[1].strip("[]") or "0.0.0.0", int(match[2])  # ":8080" means everywhere


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def load_settings(
    environ: Mapping[str, str] = os.environ,
    *,
    flags: Mapping[str, Any] | None = None,
    dotenv: Path | None = None,
    config: Path | None = None,
) -> Settings:
    """Settings from all sources. Raises ConfigError with one line that names variable, value and what is expected."""
    known = Settings.model_fields
    from_file = read_config(config, environ, known) if config else {}
    from_dotenv = dotenv_values(dotenv, interpolate=False) if dotenv and dotenv.is_file() else {}
    values: dict[str, Any] = {}
    for source in (from_file, from_dotenv, environ):
        given = {name.lower(): value for name, value in source.items() if name.isupper() and value not in (None, "")}
        values |= {name: value for name, value in given.items() if name in known}
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, values)) from None


def _one_line(error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if not first["loc"]:
        return reason
    name = str(first["loc"][0])
    secret = "password" in name or name in _SECRETS
    shown = "the value given (not shown)" if secret else repr(values.get(name))
    return f"{name.upper()}: {shown} is refused, it {reason}"
