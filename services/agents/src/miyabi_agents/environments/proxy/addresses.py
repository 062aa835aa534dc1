"""Tells which addresses a public name may lead to: none on this machine, beside it, or in a private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Networks that are near us. Source: IANA's registries of special-purpose addresses (RFC 6890). Ranges for
#: documentation are not among them: they lead nowhere, and some networks use them for their own mirrors.
NEAR: Sequence[_Network] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT; tailnets and some clouds' metadata
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks of networks
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b:1::/48",  # translation of one's own network
        "100::/64",  # discarded
        "fc00::/7",  # private; some clouds' metadata
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local of old
        "ff00::/8",  # multicast
    )
)
#: Networks that carry an IPv4 address: prefix, and how many bits are behind it.
_CARRYING: Sequence[tuple[ipaddress.IPv6Network, int]] = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
#: Teredo carries the client's address in another form; nobody serves packages there.
_TEREDO = ipaddress.IPv6Network("2001::/32")


def is_near(text: str) -> bool:
    """Tell whether an address, as a resolver writes it, is one that a public name must not lead to.

    What cannot be read counts as near.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TEREDO:
            return True
        for network, behind in _CARRYING:
            if address in network:
                return is_near(str(ipaddress.IPv4Address((int(address) >> behind) & 0xFFFFFFFF)))
    return any(address in network for network in NEAR)
