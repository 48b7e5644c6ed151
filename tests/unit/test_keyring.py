"""Whose request it is: by the keys it presents, and by the time."""

from datetime import UTC, datetime

import pytest

from app.door.keyring import MASTER, NOBODY, Keyring, Refused
from app.door.keys import Key, digest, key_text, new_secret, split_key

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class At:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = NOON.timestamp()

    def __call__(self) -> float:
        return self.now


def made(key_id: str, *secrets: str, scopes=("admin",), **rest) -> Key:
    return Key(key_id, tuple(digest(secret).hex() for secret in secrets), scopes, **rest)


@pytest.fixture
def clock():
    return At()


@pytest.fixture
def keyring(clock):
    return Keyring(clock)


def test_a_key_is_known_by_its_id_and_secret(keyring):
    secret = new_secret()
    keyring.replace([made("shop", secret, rate_limit_rps=7)])
    found = keyring.identify([key_text("shop", secret)])
    assert (found.name, found.refused, found.key.rate_limit_rps) == ("shop", None, 7)


def test_nobody_without_a_key(keyring):
    assert keyring.identify([]) is NOBODY
    assert NOBODY.refused == Refused("missing")


def test_what_is_not_quite_a_key_is_wrong(keyring):
    keyring.replace([made("shop", "s3cret"), made("bank", "other")])
    for text in (
        "gw_shop_s3cres", "gw_shop_", "gw_shop", "gw__s3cret", "s3cret", "shop_s3cret", "GW_shop_s3cret",
        "gw_bank_s3cret",        "gw_nobody_s3cret", "gw_shop_s3cret_", " ", "gw", "_", "__", "gw_shop_s3cret\udcff",
        "ü", "gw_shop_" + "x" * 9000,
    ):  # fmt: skip
        found = keyring.identify([text])
        assert (found.name, found.refused) == (None, Refused("wrong")), text
        assert not found.scopes.sees_all


def test_two_keys_that_differ_are_wrong_even_if_both_are_right(keyring):
    keyring.replace([made("shop", "a"), made("bank", "b")])
    assert keyring.identify({"gw_shop_a", "gw_bank_b"}).refused == Refused("wrong")


def test_both_secrets_live_during_a_rotation(keyring):
    keyring.replace([made("shop", "new", "old")])
    assert [keyring.identify([f"gw_shop_{secret}"]).name for secret in ("new", "old", "older")] == [
        "shop",
        "shop",
        None,
    ]


def test_a_key_is_valid_from_its_first_moment_to_before_its_last(keyring, clock):
    keyring.replace([made("shop", "s", not_before=NOON, expires_at=NOON.replace(hour=13))])
    seen = []
    for second in (-0.001, 0, 3599.999, 3600):
        clock.now = NOON.timestamp() + second
        seen.append(keyring.identify(["gw_shop_s"]))
    assert [found.name for found in seen] == [None, "shop", "shop", None]
    assert seen[0].refused == seen[3].refused == Refused("expired", "shop")
    assert keyring.identify(["gw_shop_x"]).refused == Refused("wrong")


def test_other_keys_take_effect_at_once(keyring):
    keyring.replace([made("shop", "s")])
    keyring.replace([made("bank", "b")])
    assert keyring.identify(["gw_shop_s"]).name is None
    assert keyring.identify(["gw_bank_b"]).name == "bank"


def test_the_one_key_has_every_scope_beside_the_others(clock):
    keyring = Keyring(clock, master="gw_shop_s")
    keyring.replace([made("shop", "t", scopes=())])
    found = keyring.identify(["gw_shop_s"])
    assert (found.name, found.scopes.sees_all) == (MASTER, True)
    assert keyring.identify(["gw_shop_t"]).name == "shop"


def test_a_new_secret_has_256_bits_and_survives_as_text():
    secrets = {new_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert {len(secret) for secret in secrets} == {43}
    assert all(split_key(key_text("a-b", secret)) == ("a-b", secret) for secret in secrets)
