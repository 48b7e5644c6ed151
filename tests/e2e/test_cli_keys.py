"""`sluice keys`: what it does to the file, and that a gateway which runs follows."""

import json
import stat
import time
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner, Result
from gateways import serving

from app.cli import cli
from app.door.key_file import read_keys


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def keys(file, monkeypatch):
    monkeypatch.delenv("API_KEYS_FILE", raising=False)

    def run(*arguments: str, **rest) -> Result:
        return CliRunner().invoke(cli, ["keys", arguments[0], "--file", str(file), *arguments[1:]], **rest)

    return run


def test_a_new_key_is_shown_once_and_kept_as_a_hash(keys, file):
    made = keys("new", "shop", "--scope", "produce:orders.*", "--scope", "consume:*.audit", "--expires", "90d")
    assert made.exit_code == 0
    [key] = made.stdout.split()
    assert key.startswith("gw_shop_")
    assert key.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    checked = keys("check", "-", input=key + "\n")
    assert checked.output == "shop: produce:orders.* consume:*.audit\n"
    [listed] = json.loads(keys("list", "--json").output)
    assert (listed["id"], listed["state"], listed["secrets"]) == ("shop", "valid", 1)
    assert "shop" in keys("list").output
    assert key not in keys("list").output


def test_rotation_keeps_the_last_secret_until_its_end(keys):
    [first] = keys("new", "shop", "--scope", "admin").stdout.split()
    [second] = keys("rotate", "shop").stdout.split()
    assert [keys("check", key).exit_code for key in (first, second)] == [0, 0]
    [third] = keys("rotate", "shop").stdout.split()
    assert [keys("check", key).exit_code for key in (first, second, third)] == [77, 0, 0]
    assert keys("rotate", "shop", "--end").exit_code == 0
    assert [keys("check", key).exit_code for key in (second, third)] == [77, 0]


def test_a_key_ends_by_revocation_and_by_its_time(keys, file):
    [first] = keys("new", "shop", "--scope", "admin").stdout.split()
    [past] = keys("new", "past", "--scope", "admin", "--expires", "2020-01-01T00:00:00Z").stdout.split()
    [later] = keys("new", "later", "--scope", "admin", "--not-before", "12h").stdout.split()
    assert keys("revoke", "shop").exit_code == 0
    refused = [keys("check", key) for key in (first, past, later, "nonsense")]
    assert [result.exit_code for result in refused] == [77] * 4
    assert "wrong" in refused[0].stderr
    assert "'past'" in refused[1].stderr
    assert [row["state"] for row in json.loads(keys("list", "--json").output)] == ["expired", "not yet"]
    assert [key.id for key in read_keys(file)] == ["past", "later"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new", "shop", "--scope", "admin"], 65, "there is a key 'shop' already"),
        (["new", "a_b", "--scope", "admin"], 2, "id"),
        (["new", "bank", "--scope", "read:x.y"], 2, "'read:x.y' is no scope"),
        (["new", "bank", "--expires", "soon"], 2, "must be such as"),
        (["new", "bank", "--expires", "2027-01-01T00:00:00"], 2, "must be such as"),
        (["revoke", "bank"], 66, "there is no key 'bank'"),
        (["rotate", "bank"], 66, "there is no key 'bank'"),
    ],
)
def test_what_can_not_be_done_changes_nothing_and_says_why(keys, file, arguments, code, message):
    keys("new", "shop", "--scope", "admin")
    before = file.read_text()
    result = keys(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert file.read_text() == before


def test_a_file_that_can_not_be_used_is_named(keys, file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["keys", "list"]).exit_code == 2
    missing = keys("list")
    assert (missing.exit_code, missing.stderr.count("\n")) == (78, 1)
    assert str(file) in missing.stderr
    file.write_text("{")
    assert keys("new", "shop", "--scope", "admin").exit_code == 78
    assert file.read_text() == "{"
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "others.json"))
    assert CliRunner().invoke(cli, ["keys", "new", "shop", "--scope", "admin"]).exit_code == 0
    assert CliRunner().invoke(cli, ["keys", "list"]).exit_code == 0


def test_a_gateway_that_runs_follows(keys, file, tmp_path):
    def until(key: str, status: int) -> None:
        """Patiently; asked seldom enough not to be taken for a thief."""
        request = urllib.request.Request(f"{url}/stats", headers={"X-API-Key": key})
        give_up = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    found = error.code
            if found == status:
                return
            assert time.monotonic() < give_up, found
            time.sleep(0.1)

    [first] = keys("new", "shop", "--scope", "admin").stdout.split()
    with serving(tmp_path, BROKER_URL="memory://", API_KEYS_FILE=str(file)) as (url, _):
        until(first, 200)
        [second] = keys("rotate", "shop").stdout.split()
        until(second, 200)
        until(first, 200)
        keys("revoke", "shop")
        until(second, 401)
