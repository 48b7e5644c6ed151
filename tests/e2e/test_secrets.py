"""No secret gets into a log, however it is presented; keys that can't be used stop the start."""

import json
import signal
import urllib.error
import urllib.parse
import urllib.request

import pytest
from gateways import failed, serving
from samples import CANARY, generic

from app.door.key_file import edit_keys
from app.door.keys import Key, digest


def ask(url: str, headers: dict[str, str], body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_key_is_in_no_log_however_it_is_presented(tmp_path):
    edit_keys(tmp_path / "keys.json", lambda _: [Key("shop", (digest(CANARY).hex(),), ("admin",))])
    settings = {"API_KEYS_FILE": "keys.json", "API_KEY": f"{CANARY}-master", "API_KEY_IN_QUERY": "true"}
    body = json.dumps({"event": generic(CANARY)}).encode()
    statuses = set()
    with serving(tmp_path, LOG_LEVEL="debug", **settings) as (url, process):
        for key in (f"gw_shop_{CANARY}", f"{CANARY}-master", f"gw_shop_{CANARY}-wrong", CANARY):
            for headers in (
                {"X-API-Key": key},
                {"Authorization": f"Bearer {key}"},
                {"Authorization": f"Basic {key}"},
                {},
            ):
                for path in ("/stats", "/nowhere", "/messages", "/messages?count="):
                    query = urllib.parse.quote(key) if "count" in path else urllib.parse.urlencode({"api_key": key})
                    joint = "" if "count" in path else "?"
                    statuses.add(ask(f"{url}{path}{joint}{query}", {**headers, "X-Request-Timeout": key}))
                statuses.add(ask(f"{url}/messages", {**headers, "Content-Type": "application/json"}, body))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        errors = process.stderr.read().decode()
    assert statuses == {200, 201, 400, 401, 404, 429}
    logged = (tmp_path / "out.log").read_text()
    assert '"key":"shop"' in logged
    assert "X-Request-Timeout ignored" in logged
    assert CANARY not in logged + errors


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_of_keys_that_can_not_be_used_stops_the_start(tmp_path, content):
    if content:
        (tmp_path / "keys.json").write_text(content)
    code, message = failed(tmp_path, "serve", BROKER_URL="memory://", API_KEYS_FILE="keys.json")
    assert code == 78
    assert message.startswith("sluice: API_KEYS_FILE: 'keys.json' can't be used: ")
    assert message.count("\n") == 1


def test_a_key_that_no_header_can_hold_stops_the_start_and_is_not_shown(tmp_path):
    code, message = failed(tmp_path, "serve", BROKER_URL="memory://", API_KEY=f"{CANARY} with spaces")
    assert code == 78
    assert message.startswith("sluice: API_KEY: ")
    assert CANARY not in message


def test_an_open_door_is_warned_of_once(tmp_path):
    with serving(tmp_path):
        pass
    assert (tmp_path / "out.log").read_text().count("ANYBODY MAY DO EVERYTHING") == 1
