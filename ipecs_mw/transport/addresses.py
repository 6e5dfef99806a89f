"""Which addresses of the network a webhook may be sent to: none that leads inside, unless that is allowed."""

import ipaddress
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CARRIERS: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64
    ipaddress.IPv6Network("::ffff:0:0:0/96"),  # SIIT
)
_INSIDE: Final = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of a site itself
    ipaddress.IPv6Network("fec0::/10"),  # a site's own, of old
)
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    )
)
"""Where machines in a cloud ask for their own keys."""


def may_reach(address: str, *, allow_private: bool) -> bool:
    """Tell whether an address may be reached; one that carries another counts as that.

    Private ones are loopback, those of a site, and those of a provider's own network. Never reached are
    link-local, multicast and reserved ones, and those by which clouds give out keys.
    """
    try:
        found = _unwrap(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if found in _METADATA or found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    if isinstance(found, ipaddress.IPv6Address) and any(found in each for each in _INSIDE):
        return allow_private
    if found.is_global:
        return True
    return allow_private and (found.is_loopback or not found.is_reserved)


def _unwrap(address: _Address) -> _Address:
    """Return the address of IPv4 that one of IPv6 stands for, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in each for each in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    compatible = int(address) >> 32 == 0 and int(address) > 1
    return (
        address.ipv4_mapped
        or address.sixtofour
        or (teredo[1] if teredo else None)
        or (ipaddress.IPv4Address(int(address)) if compatible else address)
    )
