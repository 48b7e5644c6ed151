"""What holds a secret by its name is not logged."""

from http import HTTPStatus
from types import MappingProxyType

import pytest

from app.telemetry.redaction import REDACTED, is_secret, redact


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-API-Key", "api_key", "apikey", "kafka_sasl_password", "access_token", "client_secret", "query",
     "Set-Cookie", "query_string"],
)  # fmt: skip
def test_such_names_are_secret(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["key", "path", "route", "status", "request_id", "reason", "sasl_mechanism", "topic"])
def test_others_are_not(name):
    assert not is_secret(name)


def test_secrets_are_taken_out_wherever_they_are_and_nothing_else():
    theirs = MappingProxyType({"X-API-Key": "canary", "Accept": "*/*", "deep": {"token": "canary"}})
    event = {"event": "request", "password": "canary", "headers": theirs, "status": 200}
    redact(event)
    assert event == {
        "event": "request",
        "password": REDACTED,
        "headers": {"X-API-Key": REDACTED, "Accept": "*/*", "deep": {"token": REDACTED}},
        "status": 200,
    }
    assert theirs["X-API-Key"] == "canary"


def test_what_was_a_plain_value_in_one_line_may_hold_secrets_in_the_next():
    for value, wanted in ((HTTPStatus.OK, HTTPStatus.OK), ({"token": "canary"}, {"token": REDACTED})):
        event = {"event": "request", "detail": value}
        redact(event)
        assert event["detail"] == wanted
