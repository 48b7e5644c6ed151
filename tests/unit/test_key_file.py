"""The file of keys: what it may say, how it is edited, and that the gateway follows it."""

import json
import os
import stat
import time

import pytest
from structlog.testing import capture_logs

from app.door.key_file import BadKeyFile, edit_keys, read_keys
from app.door.key_watch import KeyWatch
from app.door.keyring import Keyring
from app.door.keys import Key, digest
from app.errors import ConfigError

HASH = digest("s").hex()


def key(key_id: str = "shop", secret: str = "s", *scopes: str) -> Key:
    return Key(key_id, (digest(secret).hex(),), scopes or ("admin",))


def write(path, *keys: Key) -> None:
    edit_keys(path, lambda _: list(keys))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def test_what_is_written_is_read_and_only_the_owner_can(path):
    write(path, key(), key("bank", "b", "produce:a.*", "consume:b.c"))
    assert read_keys(path) == [key(), key("bank", "b", "produce:a.*", "consume:b.c")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["keys.json"]


def test_an_edit_that_fails_changes_nothing(path):
    write(path, key())
    before = path.read_bytes()

    def fails(keys):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        edit_keys(path, fails)
    assert path.read_bytes() == before
    path.write_text("{")
    with pytest.raises(BadKeyFile):
        edit_keys(path, lambda keys: keys)
    assert path.read_text() == "{"


def test_a_link_stays_a_link(path, tmp_path):
    write(path, key())
    link = tmp_path / "link.json"
    link.symlink_to(path)
    write(link, key("bank"))
    assert link.is_symlink()
    assert [found.id for found in read_keys(path)] == ["bank"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"id": "a b"}, r"keys\[0\].id"),
        ({"id": "a_b"}, r"keys\[0\].id"),
        ({"id": ""}, r"keys\[0\].id"),
        ({"sha256": []}, "sha256"),
        ({"sha256": [HASH] * 3}, "sha256"),
        ({"sha256": ["no hash"]}, "sha256"),
        ({"scopes": ["read:x.y"]}, "read:x.y"),
        ({"scopes": "admin"}, "scopes"),
        ({"secret": "x"}, "secret"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"rate_limit_rps": -1}, "rate_limit_rps"),
    ],
)
def test_what_can_not_be_a_key_is_told_by_its_place(path, entry, reason):
    good = {"id": "shop", "sha256": [HASH], "scopes": ["admin"]}
    path.write_text(json.dumps({"keys": [good | entry]}))
    with pytest.raises(BadKeyFile, match=reason):
        read_keys(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"keys": {}}', '{"keys": [], "more": 1}', "\x00\xff"])
def test_what_is_no_file_of_keys_stops_the_start(path, text):
    path.write_text(text)
    with pytest.raises(ConfigError, match="API_KEYS_FILE"):
        KeyWatch(path, Keyring(time.time)).start()


def test_so_does_a_missing_file_and_an_id_that_comes_twice(path):
    with pytest.raises(ConfigError, match="No such file"):
        KeyWatch(path, Keyring(time.time)).start()
    write(path, key(), key())
    with pytest.raises(ConfigError, match="twice"):
        KeyWatch(path, Keyring(time.time)).start()


async def test_the_keys_follow_the_file_and_survive_a_broken_one(path):
    write(path, key())
    keyring = Keyring(time.time)
    watch = KeyWatch(path, keyring)
    watch.start()
    try:
        assert keyring.identify(["gw_shop_s"]).name == "shop"
        whole = path.read_text()
        with capture_logs() as logs:
            path.write_text(whole[:40])
            watch.look()
            watch.look()
            path.unlink()
            watch.look()
            watch.look()
        assert [line["log_level"] for line in logs] == ["warning", "warning"]
        assert "No such file" in logs[1]["reason"]
        assert keyring.identify(["gw_shop_s"]).name == "shop"
        write(path, key("bank"))
        watch.look()
        assert keyring.identify(["gw_shop_s"]).name is None
        assert keyring.identify(["gw_bank_s"]).name == "bank"
    finally:
        await watch.stop()


def test_a_change_of_the_same_size_at_the_same_time_is_seen(path):
    write(path, key())
    keyring = Keyring(time.time)
    watch = KeyWatch(path, keyring)
    watch.look()
    before = path.stat()
    write(path, key("sh0p"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    watch.look()
    assert keyring.identify(["gw_sh0p_s"]).name == "sh0p"


def test_a_file_that_is_no_text_is_bad_too(path):
    path.write_bytes(b'{"keys": [{"id": "\xff"}]}')
    with pytest.raises(BadKeyFile, match="it is not a file of keys"):
        read_keys(path)
