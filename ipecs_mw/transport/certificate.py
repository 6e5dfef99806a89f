"""A certificate's DER bytes → what a person compares: whose it is, from whom, until when, for which names.

The standard library decodes only certificates that it trusts, and this is about those that it does not.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address

from msgspec import Struct

_UTC_TIME, _BMP_STRING = 0x17, 0x1E
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # the optional fields of a certificate that are tagged by their number
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_SUBJECT_ALTERNATIVE_NAME = bytes.fromhex("551d11")
_NAMES_OF_PARTS = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}


class Certificate(Struct, frozen=True):
    """What a certificate says of itself; nothing of it is proven. `names` are DNS names and addresses."""

    subject: str
    issuer: str
    not_before_at: datetime
    not_after_at: datetime
    names: tuple[str, ...]


def read_certificate(der: bytes) -> Certificate:
    """Return what the certificate says; raise ValueError where it is none."""
    try:
        whole = _first(der)
        fields = [field for field in _walk(_first(whole)) if field[0] != _VERSION]
        _serial, _algorithm, issuer, validity, subject, *others = fields
        begin, end = _walk(validity[1])
        return Certificate(
            _read_name(subject[1]), _read_name(issuer[1]), _read_time(*begin), _read_time(*end),
            tuple(_read_alternatives(others)),
        )  # fmt: skip
    except IndexError as error:
        raise ValueError("cut short") from error


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of each value that stands in `data`."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length > 0x7F:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size]), at + size
        if at + length > len(data):
            raise ValueError("a value reaches beyond its end")
        yield tag, data[at : at + length]
        at += length


def _first(data: bytes) -> bytes:
    """Return the content of the first value in `data`."""
    for _, content in _walk(data):
        return content
    raise ValueError("empty")


def _read_name(content: bytes) -> str:
    """Return a distinguished name as `CN=pbx, O=Example`."""
    parts = []
    for _, group in _walk(content):
        for _, part in _walk(group):
            (_, kind), (tag, text) = _walk(part)
            coding = "utf-16-be" if tag == _BMP_STRING else "utf-8"
            parts.append(f"{_NAMES_OF_PARTS.get(kind, kind.hex())}={text.decode(coding, 'replace')}")
    return ", ".join(parts)


def _read_time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, 1950 to 2049
        text = ("20" if text < "50" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _read_alternatives(fields: list[tuple[int, bytes]]) -> Iterator[str]:
    for extensions in (content for tag, content in fields if tag == _EXTENSIONS):
        for _, extension in _walk(_first(extensions)):
            parts = [content for _, content in _walk(extension)]
            if parts[0] != _SUBJECT_ALTERNATIVE_NAME:
                continue
            for tag, name in _walk(_first(parts[-1])):
                if tag == _DNS_NAME:
                    yield name.decode("ascii", "replace")
                elif tag == _IP_ADDRESS:
                    yield str(ip_address(name))
