"""Settings of `ipecs-mw serve`: where it listens, and whom it trusts."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.model.configuration.rules import check_address, check_file


class ServerTls(Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate that `ipecs-mw serve` shows."""

    certificate_file: Annotated[
        str,
        Meta(
            description="PEM file of the certificate, with those that it is signed by",
            extra={"rule": check_file},
        ),
    ]
    key_file: Annotated[str, Meta(description="PEM file of its private key", extra={"rule": check_file})]


Origin = Annotated[
    str,
    Meta(
        pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,255}\Z",
        description="such as `https://crm.example.com`",
        extra={"words": "allowed.origin"},
    ),
]


def _check_addresses(value: list[str]) -> Iterator[tuple[str, Any, Words]]:
    """Yield what is no IP address."""
    for number, each in enumerate(value):
        try:
            ip_address(each)
        except ValueError:
            yield f"[{number}]", each, Words("allowed.ip_address")


class ApiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The [API](api.md) for applications. Read when `ipecs-mw serve` starts."""

    port: Annotated[int, Meta(ge=0, le=65535, description="the port; 0: any that is free")] = 8790
    address: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="the address of this machine on which it listens",
            extra={"words": "allowed.address", "rule": check_address},
        ),
    ] = "127.0.0.1"
    tls: Annotated[
        ServerTls | None,
        Meta(description="listen with TLS; null: plain HTTP, which only this machine may use"),
    ] = None
    allow_plain: Annotated[
        bool,
        Meta(
            description="allow plain HTTP on another address than that of this machine alone, for a proxy in"
            " front that has TLS. Tokens then cross the network as they are"
        ),
    ] = False
    proxies: Annotated[
        list[Annotated[str, Meta(min_length=2, max_length=64)]],
        Meta(
            description="addresses of the proxies in front: what they say in `X-Forwarded-For` is believed",
            extra={"rule": _check_addresses},
        ),
    ] = field(default_factory=list)
    origins: Annotated[
        list[Origin],
        Meta(description="web pages of other servers that may ask from a browser (CORS)"),
    ] = field(default_factory=list)
    max_streams: Annotated[
        int, Meta(ge=1, le=100_000, description="streams that one process holds open at the most")
    ] = 10_000


def is_own(address: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
