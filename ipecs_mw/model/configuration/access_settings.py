"""Settings of getting in: where a secret is kept, and how the certificate of the other end is trusted."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ipecs_mw.model.configuration.rules import check_file

RECONNECT = {"reconnect": True}
"""`extra` of a setting of a host whose change needs a new session there."""

Fingerprint = Annotated[
    str,
    Meta(pattern=r"^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}\Z", extra={"words": "allowed.fingerprint"}),
]


class SecretSource(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is read from: exactly one of the three."""

    env: Annotated[str | None, Meta(description="name of an environment variable")] = None
    file: Annotated[
        str | None,
        Meta(
            description="path of a file whose first line is the secret; it may begin with"
            " `$CREDENTIALS_DIRECTORY/`",
            extra={"rule": check_file},
        ),
    ] = None
    encrypted: Annotated[
        str | None,
        Meta(description="the secret itself, encrypted: `ipecs-mw secret set` writes it"),
    ] = None


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the host's certificate is trusted."""

    verify: Annotated[
        Literal["ca", "pin", "off"],
        Meta(
            description="`ca`: signed by a trusted authority; `pin`: exactly the certificate with this"
            " fingerprint; `off`: any certificate (with a warning at every start)",
            extra=RECONNECT,
        ),
    ] = "ca"
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file of the trusted authorities; null: those of the system",
            extra=RECONNECT | {"rule": check_file},
        ),
    ] = None
    fingerprint_sha256: Annotated[
        Fingerprint | None,
        Meta(
            description="SHA-256 fingerprint of the certificate, hex with or without colons; for `pin`",
            extra=RECONNECT,
        ),
    ] = None
    allow_old: Annotated[
        bool,
        Meta(
            description="also allow TLS 1.0 and 1.1, AES128-SHA and short keys, for a host that has nothing newer",
            extra=RECONNECT,
        ),
    ] = False
