"""What names a machine: a host name or an IP address, and nothing beside it."""

import re
from ipaddress import IPv6Address, ip_address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\.?\Z){_LABEL}\.?")  # the last label of a name is no number
_ZONE = re.compile(r"[A-Za-z0-9_.-]+")


def is_address(text: str) -> bool:
    """Tell whether `text` is a host name, an IPv4 address or an IPv6 address, with or without its zone."""
    address, has_zone, zone = text.partition("%")
    try:
        version = ip_address(address).version
    except ValueError:
        return _NAME.fullmatch(text) is not None
    return not has_zone or (version == 6 and _ZONE.fullmatch(zone) is not None)


def spell_address(text: str) -> str:
    """Return the one spelling of an address that all its spellings have in common, as far as no DNS is asked."""
    try:
        address = ip_address(text)
    except ValueError:
        return text.lower().removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
