"""Whose address a request has, and how limits count it."""

import pytest

from app.addresses import TrustedProxies, network_of
from app.errors import ConfigError
from app.settings import load_settings

PROXIES = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:198.51.100.7", "::ffff:172.16.0.0/108"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "real", "client"),
    [
        ("203.0.113.5", ["1.1.1.1"], "2.2.2.2", "203.0.113.5"),  # a peer nobody trusts
        ("10.0.0.1", [], None, "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], None, "1.1.1.1"),
        ("10.0.0.1", ["1.1.1.1, 9.9.9.9"], None, "9.9.9.9"),  # the first from the right that is not trusted
        ("10.0.0.1", ["1.1.1.1, 9.9.9.9, 10.2.2.2"], None, "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1", "9.9.9.9", " 192.0.2.1 "], None, "9.9.9.9"),  # several headers are one list
        ("10.0.0.1", ["10.9.9.9, 10.2.2.2"], None, "10.9.9.9"),  # all trusted: the leftmost
        ("10.0.0.1", ["1.1.1.1, rubbish"], None, "10.0.0.1"),
        ("10.0.0.1", ["rubbish, 1.1.1.1"], None, "1.1.1.1"),  # behind the one that counts nobody looks
        ("10.0.0.1", ["1.1.1.1, 10.2.2.2:80"], None, "10.0.0.1"),
        ("10.0.0.1", [""], "2.2.2.2", "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1,"], None, "10.0.0.1"),
        ("10.0.0.1", [], "2.2.2.2", "2.2.2.2"),
        ("10.0.0.1", [], " 2001:DB9::1 ", "2001:db9::1"),
        ("10.0.0.1", [], "rubbish", "10.0.0.1"),
        ("2001:db8::1", ["2001:db9::2"], None, "2001:db9::2"),
        ("2001:db9::1", ["1.1.1.1"], None, "2001:db9::1"),
        ("::ffff:10.0.0.1", ["1.1.1.1"], None, "1.1.1.1"),  # IPv4 written as IPv6
        ("10.0.0.1", ["::ffff:1.1.1.1"], None, "1.1.1.1"),
        ("198.51.100.7", ["1.1.1.1"], None, "1.1.1.1"),
        ("172.31.0.1", ["1.1.1.1"], None, "1.1.1.1"),  # a network written so
        ("172.32.0.1", ["1.1.1.1"], None, "172.32.0.1"),
        ("", ["1.1.1.1"], None, ""),
    ],
)
def test_who_the_client_is(peer, forwarded, real, client):
    assert PROXIES.client(peer, forwarded, real) == client


def test_without_trusted_proxies_nobody_is_listened_to():
    assert TrustedProxies().client("10.0.0.1", ["1.1.1.1"], "2.2.2.2") == "10.0.0.1"


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "proxy.example.com", "10.0.0", "10.0.0.1/8/8", "*"])
def test_a_bad_entry_stops_the_start(entry):
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES"):
        load_settings({"TRUSTED_PROXIES": f"192.0.2.1,{entry}"})


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", ""),
        ("rubbish", "rubbish"),
    ],
)
def test_how_limits_count_it(address, counted):
    assert network_of(address) == counted
