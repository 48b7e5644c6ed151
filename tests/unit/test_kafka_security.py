"""Settings for Kafka's security: what they mean, and what is refused at the start, in one line without a secret."""

import pytest
import structlog
from certificates import authority

from app.assembly.log import kafka_options
from app.brokers.kafka.security import Security
from app.errors import ConfigError, Disconnected
from app.settings import load_settings

SECRET = "s3cret"
WITH_USER = {"BROKER_URL": f"kafka://alice:{SECRET}@broker:9093"}
WITHOUT = {"BROKER_URL": "kafka://broker:9092"}
CLEAR = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
ALLOWED = {"KAFKA_ALLOW_PLAINTEXT_PASSWORDS": "true"}
TOKENS = {"KAFKA_SASL_TOKEN_COMMAND": f"get-token {SECRET}"}


def configured(environ: dict[str, str]) -> Security:
    settings = load_settings(environ)
    return kafka_options(settings, settings.broker).security


@pytest.mark.parametrize(
    ("environ", "protocol", "mechanism"),
    [
        (WITHOUT, "PLAINTEXT", "PLAIN"),
        (WITH_USER, "SASL_SSL", "PLAIN"),
        (WITHOUT | {"KAFKA_SASL_USERNAME": "alice", "KAFKA_SASL_PASSWORD": SECRET}, "SASL_SSL", "PLAIN"),
        (WITHOUT | TOKENS, "SASL_SSL", "OAUTHBEARER"),
        (WITHOUT | {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "SSL", "PLAIN"),
        (WITH_USER | CLEAR | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "SASL_PLAINTEXT", "SCRAM-SHA-256"),
        (WITH_USER | CLEAR | ALLOWED, "SASL_PLAINTEXT", "PLAIN"),
        (WITHOUT | TOKENS | CLEAR | ALLOWED, "SASL_PLAINTEXT", "OAUTHBEARER"),
    ],
)
def test_what_settings_mean(environ, protocol, mechanism):
    security = configured(environ)
    assert (security.protocol, security.mechanism) == (protocol, mechanism)
    assert SECRET not in repr(security)


@pytest.mark.parametrize(
    ("environ", "variable", "told"),
    [
        (WITH_USER | CLEAR, "KAFKA_SECURITY_PROTOCOL", "KAFKA_ALLOW_PLAINTEXT_PASSWORDS=true"),
        (WITHOUT | TOKENS | CLEAR, "KAFKA_SECURITY_PROTOCOL", "KAFKA_ALLOW_PLAINTEXT_PASSWORDS=true"),
        (WITH_USER | {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL", "'PLAINTEXT'"),
        (WITHOUT | TOKENS | {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SECURITY_PROTOCOL", "'SSL'"),
        (WITHOUT | {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME", "unset"),
        (WITHOUT | {"KAFKA_SASL_USERNAME": "alice"}, "KAFKA_SASL_PASSWORD", "unset"),
        (WITH_USER | {"KAFKA_SASL_MECHANISM": "OAUTHBEARER"}, "KAFKA_SASL_TOKEN_COMMAND", "unset"),
        (WITHOUT | {"KAFKA_SASL_TOKEN_COMMAND": f"get-token '{SECRET}"}, "KAFKA_SASL_TOKEN_COMMAND", "not shown"),
        (WITHOUT | {"KAFKA_SSL_KEYFILE": "us.key"}, "KAFKA_SSL_KEYFILE", "KAFKA_SSL_CERTFILE"),
        (WITHOUT | {"KAFKA_SSL_CAFILE": "absent.pem"}, "KAFKA_SSL_CAFILE", "absent.pem"),
        (WITHOUT | {"KAFKA_SSL_CERTFILE": "absent.pem"}, "KAFKA_SSL_CERTFILE", "absent.pem"),
    ],
)
def test_what_is_refused_at_the_start(environ, variable, told):
    with pytest.raises(ConfigError) as refused:
        configured(environ)
    sentence = str(refused.value)
    assert sentence.startswith(f"{variable}: ")
    assert told in sentence
    assert "\n" not in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize("environ", [WITH_USER | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}, WITH_USER | ALLOWED])
def test_a_login_that_others_can_read_is_warned_of(environ):
    with structlog.testing.capture_logs() as logs:
        configured(environ)
        assert logs == []
        configured(environ | CLEAR)
    [warning] = logs
    assert warning["log_level"] == "warning"
    assert "encrypted" in warning["event"]


def test_a_key_with_the_wrong_password_or_none_is_refused(tmp_path):
    own = authority(tmp_path, "ca").sign("us", password=SECRET)
    files = {"KAFKA_SSL_CERTFILE": str(own.certificate), "KAFKA_SSL_KEYFILE": str(own.key)}
    configured(WITHOUT | files | {"KAFKA_SSL_PASSWORD": SECRET})
    for wrong in ({}, {"KAFKA_SSL_PASSWORD": "wr0ng"}):
        with pytest.raises(ConfigError, match=r"^KAFKA_SSL_CERTFILE: ") as refused:
            configured(WITHOUT | files | wrong)
        assert "wr0ng" not in str(refused.value)


def test_a_file_that_goes_bad_later_is_an_outage(tmp_path):
    ca = authority(tmp_path, "ca")
    security = Security(protocol="SSL", ssl_cafile=ca.certificate)
    good = ca.certificate.read_bytes()
    ca.certificate.write_bytes(good[:50])
    with pytest.raises(Disconnected, match="KAFKA_SSL_CAFILE"):
        security.for_client(1)
    ca.certificate.write_bytes(good)
    assert security.for_client(1)["ssl_context"]
