"""Client addresses as limits count them."""

from ipaddress import IPv6Network, ip_address


def network_of(address: str) -> str:
    """The address itself, of IPv6 its /64: all of it is one subscriber's. What is no address counts as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), 64), strict=False))
