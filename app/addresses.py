"""Where a request comes from: the client's address, as proxies say that are trusted, and as limits count it."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The networks whose word about a client's address counts."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """CIDRs and bare addresses, v4 and v6. Raises ValueError, naming the entry."""
        self._networks = [_network(entry) for entry in entries]

    def __bool__(self) -> bool:
        """Whether anybody is trusted."""
        return bool(self._networks)

    def client(self, peer: str, forwarded_for: Iterable[str], real_ip: str | None) -> str:
        """The client's address, by the peer's, the values of `X-Forwarded-For` and that of `X-Real-IP`.

        Only a trusted peer is listened to. Of `X-Forwarded-For`, from the right, the first that is not trusted counts;
        the leftmost, where all are; the peer, where one on the way is no address.
        """
        if not self._trusts(_parsed(peer)):
            return peer
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        if hops:
            return self._from_right(hops) or peer
        found = _parsed(real_ip.strip()) if real_ip else None
        return str(found) if found else peer

    def _from_right(self, hops: list[str]) -> str | None:
        found: Address | None = None
        for hop in reversed(hops):
            found = _parsed(hop)
            if found is None:
                return None
            if not self._trusts(found):
                break
        return str(found)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The address itself, of IPv6 its /64: all of it is one subscriber's. What is no address counts as it is."""
    found = _parsed(address)
    if found is None:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(IPv6Network((int(found), 64), strict=False))


def _network(entry: str) -> IPv4Network | IPv6Network:
    """A network; one of IPv4 written as IPv6 is that of IPv4, as its addresses are."""
    try:
        found = ip_network(entry.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{entry.strip()!r} is neither an address nor a network such as 10.0.0.0/8") from None
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return IPv4Network((mapped, found.prefixlen - 96)) if mapped and found.prefixlen >= 96 else found


def _parsed(text: str) -> Address | None:
    """An address; one of IPv4 written as IPv6 is that of IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
