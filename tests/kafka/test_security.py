"""TLS and SASL against a real broker: each way in works, each wrong one is told in a sentence without a secret."""

import asyncio
import base64
import json
import os
import shlex
import shutil
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kafka_server
import pytest
from certificates import Authority, authority
from confluent_kafka import Consumer, TopicPartition
from gateways import failed, free_port, serving
from samples import CANARY
from support import fresh_topic, publish, read_all, record

from app.brokers.kafka.broker import KafkaBroker
from app.brokers.kafka.options import KafkaOptions
from app.brokers.kafka.security import Security
from app.errors import Disconnected
from app.record import Written
from app.topic import TopicSpec

pytestmark = pytest.mark.kafka

USER, PASSWORD, KEY_PASSWORD = "alice", f"alice-{CANARY}", f"key-{CANARY}"
PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
MODULES = "org.apache.kafka.common.security"
LOGIN_MODULES = {
    "plain": f'{MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
    "scram-sha-256": f"{MODULES}.scram.ScramLoginModule required;",
    "scram-sha-512": f"{MODULES}.scram.ScramLoginModule required;",
    "oauthbearer": f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
}
UNSECURED = f"{MODULES}.oauthbearer.internals.unsecured.OAuthBearerUnsecured"


@dataclass(frozen=True)
class Guarded:
    """A broker with three guarded doors, and the authority that it trusts and is trusted by."""

    ca: Authority
    stranger: Authority
    login: str
    mutual: str
    clear: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[Guarded]:
    try:
        server, ca, stranger = _broker(tmp_path_factory.mktemp("certificates"))
    except kafka_server.Unavailable as reason:
        (pytest.fail if os.environ.get("REQUIRE_KAFKA") == "1" else pytest.skip)(f"KAFKA TESTS ARE LEFT OUT: {reason}")
    try:
        server.start()
        yield Guarded(ca, stranger, *(server.addresses[name] for name in ("LOGIN", "MUTUAL", "CLEAR")))
    finally:
        server.close()


def _broker(folder: Path) -> tuple[kafka_server.JarServer, Authority, Authority]:
    """From Apache's jars also where there is Docker: its image makes no users when it formats its folder."""
    if shutil.which("openssl") is None:
        raise kafka_server.Unavailable("no openssl to make certificates with")
    ca, stranger = authority(folder, "ca"), authority(folder, "stranger")
    users = [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in PASSWORD_MECHANISMS[1:]]
    server = kafka_server.JarServer(
        overrides=_tls(ca) | _logins("login") | _logins("clear") | {"listener.name.mutual.ssl.client.auth": "required"},
        listeners={"LOGIN": "SASL_SSL", "MUTUAL": "SSL", "CLEAR": "SASL_PLAINTEXT"},
        formatting=[word for user in users for word in ("--add-scram", user)],
    )
    return server, ca, stranger


def _tls(ca: Authority) -> dict[str, str]:
    own = ca.sign("broker")
    texts = {
        "ssl.keystore.key": own.key,
        "ssl.keystore.certificate.chain": own.certificate,
        "ssl.truststore.certificates": ca.certificate,
    }
    written = {name: path.read_text().replace("\n", "\\n") for name, path in texts.items()}
    return {"ssl.keystore.type": "PEM", "ssl.truststore.type": "PEM", **written}


def _logins(listener: str) -> dict[str, str]:
    prefix = f"listener.name.{listener}"
    handlers = {
        f"{prefix}.oauthbearer.sasl.{side}.callback.handler.class": f"{UNSECURED}{kind}CallbackHandler"
        for side, kind in (("server", "Validator"), ("login", "Login"))
    }
    return {
        f"{prefix}.sasl.enabled.mechanisms": ",".join(name.upper() for name in LOGIN_MODULES),
        **{f"{prefix}.{name}.sasl.jaas.config": module for name, module in LOGIN_MODULES.items()},
        **handlers,
    }


def unsecured_jwt(seconds: float) -> str:
    """A token that Kafka's validator for tests believes."""
    parts = ({"alg": "none"}, {"sub": USER, "iat": time.time() - 60, "exp": time.time() + seconds})
    return "".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") + "." for part in parts)


def login(guarded: Guarded, mechanism: str, **changes) -> Security:
    who = {"username": USER, "password": PASSWORD}
    if mechanism == "OAUTHBEARER":
        who = {"token_command": f"echo {unsecured_jwt(3600)}"}
    who |= {"protocol": "SASL_SSL", "mechanism": mechanism, "ssl_cafile": guarded.ca.certificate}
    return Security(**who | changes)


def with_certificate(guarded: Guarded, signer: Authority, **changes) -> Security:
    own = signer.sign("gateway", password=KEY_PASSWORD)
    files = {"ssl_cafile": guarded.ca.certificate, "ssl_certfile": own.certificate, "ssl_keyfile": own.key}
    return Security(**{"protocol": "SSL", "ssl_password": KEY_PASSWORD} | files | changes)


async def round_trip(server: str, security: Security) -> str:
    """Publish and fetch as the gateway does; the name of the topic."""
    log = KafkaBroker(KafkaOptions((server,), security))
    topic = fresh_topic("guarded")
    try:
        await log.open()
        await log.create(TopicSpec(topic, 1))
        [outcome] = await publish(log, topic, record(b"hello"))
        assert isinstance(outcome, Written)
        assert [r.value for r in await read_all(log, topic)] == [b"hello"]
    finally:
        await log.close()
        await goodbyes()
    return topic


def witnessed(server: str, topic: str, options: dict) -> bytes:
    """The topic's first value, as librdkafka reads it through the same door."""
    common = {"bootstrap.servers": server, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(common | options)
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        [message] = consumer.consume(1, timeout=15)
        return message.value()
    finally:
        consumer.close()


async def goodbyes() -> None:
    """Wait for connections that aiokafka closed: TLS takes leave of the other side first, after the call is over."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while any(transport._sock for transport in loop._transports.values()):  # noqa: SLF001  # who else knows them
            await asyncio.sleep(0.01)


async def refused(server: str, security: Security, *secrets: str, caplog=None) -> str:
    """The sentence with which opening fails, in time."""
    log = KafkaBroker(KafkaOptions((server,), security, request_timeout=4))
    if caplog:
        caplog.set_level("INFO")
    begun = time.monotonic()
    with pytest.raises(Disconnected) as caught:
        await log.open()
    assert time.monotonic() - begun < 8
    await goodbyes()
    told = "".join(traceback.format_exception(caught.value)) + (caplog.text if caplog else "")
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, *secrets) if secret in told]
    return caught.value.message


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
async def test_a_password_over_tls(guarded, mechanism):
    topic = await round_trip(guarded.login, login(guarded, mechanism))
    who = {"sasl.username": USER, "sasl.password": PASSWORD, "ssl.ca.location": str(guarded.ca.certificate)}
    found = witnessed(guarded.login, topic, {"security.protocol": "sasl_ssl", "sasl.mechanism": mechanism, **who})
    assert found == b"hello"


async def test_a_token_over_tls_is_had_from_the_command_once_while_it_lasts(guarded, tmp_path):
    runs, token = tmp_path / "runs", unsecured_jwt(3600)
    script = f"echo run >> {runs}; echo {token}"
    security = login(guarded, "OAUTHBEARER", token_command=shlex.join(["sh", "-c", script]))
    topic = await round_trip(guarded.login, security)
    assert len(runs.read_text().split()) == 2  # the client's and the producer's; their later connections use it again
    options = {"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER"}
    options |= {"ssl.ca.location": str(guarded.ca.certificate), "oauth_cb": lambda _: (token, time.time() + 3600)}
    assert witnessed(guarded.login, topic, options) == b"hello"


async def test_a_certificate_of_our_own(guarded):
    security = with_certificate(guarded, guarded.ca)
    topic = await round_trip(guarded.mutual, security)
    options = {
        "security.protocol": "ssl",
        "ssl.ca.location": str(security.ssl_cafile),
        "ssl.certificate.location": str(security.ssl_certfile),
        "ssl.key.location": str(security.ssl_keyfile),
        "ssl.key.password": KEY_PASSWORD,
    }
    assert witnessed(guarded.mutual, topic, options) == b"hello"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
async def test_a_login_that_others_can_read_where_it_is_allowed(guarded, mechanism):
    scram = mechanism.startswith("SCRAM")
    security = login(guarded, mechanism, protocol="SASL_PLAINTEXT", allow_plaintext_passwords=not scram)
    assert security.readable_login
    await round_trip(guarded.clear, security)


@pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
async def test_a_wrong_password_is_told(guarded, mechanism, caplog):
    sentence = await refused(guarded.login, login(guarded, mechanism, password="wr0ng"), "wr0ng", caplog=caplog)
    assert sentence == "the Kafka brokers refuse the credentials: SaslAuthenticationFailed"


async def test_a_token_that_the_brokers_refuse_is_told(guarded, caplog):
    token = unsecured_jwt(-30)
    security = login(guarded, "OAUTHBEARER", token_command=f"echo {token}")
    sentence = await refused(guarded.login, security, token, caplog=caplog)
    assert sentence == "the Kafka brokers refuse the credentials: SaslAuthenticationFailed"


async def test_a_token_command_that_fails_is_told(guarded, caplog):
    security = login(guarded, "OAUTHBEARER", token_command="sh -c 'echo t0ken; exit 3'")
    sentence = await refused(guarded.login, security, "t0ken", caplog=caplog)
    assert sentence == "the token command failed: it ended with 3"


async def test_brokers_of_an_unknown_authority_are_told(guarded):
    sentence = await refused(guarded.login, login(guarded, "PLAIN", ssl_cafile=guarded.stranger.certificate))
    assert sentence.startswith("no TLS with the Kafka brokers: their certificate is not trusted: ")


async def test_brokers_of_another_name_are_told(guarded):
    server = guarded.login.replace("127.0.0.1", "localhost")
    assert "not valid for 'localhost'" in await refused(server, login(guarded, "PLAIN"))


async def test_a_certificate_that_is_missing_is_told(guarded):
    sentence = await refused(guarded.mutual, Security(protocol="SSL", ssl_cafile=guarded.ca.certificate))
    assert "they want a certificate of ours that they trust" in sentence


async def test_a_certificate_that_the_brokers_do_not_trust_is_told(guarded):
    sentence = await refused(guarded.mutual, with_certificate(guarded, guarded.stranger))
    assert "they want a certificate of ours that they trust" in sentence


async def test_a_door_of_another_kind_is_told(guarded):
    for server, security in (
        (guarded.clear, login(guarded, "PLAIN")),
        (guarded.login, login(guarded, "SCRAM-SHA-256", protocol="SASL_PLAINTEXT")),
        (guarded.login, Security(protocol="SSL", ssl_cafile=guarded.ca.certificate)),
        (guarded.clear, Security()),
    ):
        assert (await refused(server, security)).startswith("the Kafka brokers can't be reached: ")


def test_a_gateway_logs_in_by_its_settings_and_leaves_no_password_behind(guarded, tmp_path):
    settings = {
        "BROKER_URL": f"kafka://{USER}:{PASSWORD}@{guarded.login}",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SSL_CAFILE": str(guarded.ca.certificate),
    }
    with serving(tmp_path, **settings):
        pass
    wrong = settings | {"BROKER_URL": f"kafka://{USER}:wr0ng@{guarded.login}", "STARTUP_REQUIRE_BROKER": "true"}
    code, message = failed(tmp_path, "serve", "--endpoint", f"127.0.0.1:{free_port()}", **wrong)
    written = (tmp_path / "out.log").read_text() + message
    assert code == 69
    assert "the Kafka brokers refuse the credentials" in written
    assert PASSWORD not in written
    assert "wr0ng" not in written
