"""Every setting, defined once: its type, default, range and description.

Validation, documentation and `config get` all come from these structs. `extra={"reconnect": True}` marks a
setting whose change needs a new session with the host.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta, Struct, field, inspect
from msgspec.structs import astuple

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.addresses import ADDRESS_RULE, is_address
from ipecs_mw.model.contents import MASK
from ipecs_mw.model.validation import convert

BOOKKEEPING = ("_id", "revision", "updated_at", "updated_by", "secrets_changed", "seeded")
"""Fields of a configuration document that are not settings."""

_RECONNECT = {"reconnect": True}
_MOST_NUMBERS = 10_000

Kind = Literal["acd", "call", "presence", "smdr", "system", "unknown", "undecodable"]
Days = Annotated[int, Meta(ge=1, le=24855)]  # MongoDB counts them as seconds, in 31 bits
Caption = Annotated[str, Meta(min_length=1, max_length=64)]
Numbers = Annotated[str, Meta(pattern=r"^[0-9]{1,8}(-[0-9]{1,8})?\Z")]
Fingerprint = Annotated[str, Meta(pattern=r"^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}\Z")]
Locale = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?\Z")]


class SecretSource(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is read from: exactly one of the three."""

    env: Annotated[str | None, Meta(description="name of an environment variable")] = None
    file: Annotated[
        str | None,
        Meta(
            description="path of a file, may begin with `$CREDENTIALS_DIRECTORY/`; its first line is the secret"
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
            " fingerprint; `off`: anything (warned about at every start)",
            extra=_RECONNECT,
        ),
    ] = "ca"
    ca_file: Annotated[
        str | None,
        Meta(description="PEM file of the authorities; null means the system's", extra=_RECONNECT),
    ] = None
    fingerprint_sha256: Annotated[
        Fingerprint | None,
        Meta(
            description="SHA-256 fingerprint of the certificate, hex with or without colons; for `pin`",
            extra=_RECONNECT,
        ),
    ] = None
    allow_old: Annotated[
        bool,
        Meta(
            description="also TLS 1.0 and 1.1, AES128-SHA, short keys: for a host that knows nothing newer",
            extra=_RECONNECT,
        ),
    ] = False


class SmdrSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens with the call records that the host stores."""

    backfill: Annotated[bool, Meta(description="read the records that were missed while away")] = True
    number_captions: Annotated[
        Annotated[list[Caption], Meta(min_length=2, max_length=2)] | None,
        Meta(
            description="captions that the administrator chose for the two number fields of a call record;"
            " null tells them by their order"
        ),
    ] = None
    delete_after_store: Annotated[
        bool, Meta(description="delete records at the host once they are durably in MongoDB")
    ] = False


class StationAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """A `client` account of the Web API: a station user, for requests such as clickcall."""

    user: Annotated[str, Meta(min_length=1, description="user id: the station's number")]
    password: Annotated[
        str | SecretSource,
        Meta(description="authorization code followed by the suffix code; kept as the host's password"),
    ]


class HostSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One iPECS system and the Web API account to use there."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
            description="our name for the host; stands in every event",
            extra=_RECONNECT,
        ),
    ]
    address: Annotated[
        str, Meta(min_length=1, max_length=253, description="host name or IP address", extra=_RECONNECT)
    ]
    user: Annotated[str, Meta(min_length=1, description="user id of the Web API account", extra=_RECONNECT)]
    password: Annotated[
        str | SecretSource,
        Meta(
            description='`{"env": NAME}`, `{"file": PATH}`, `{"encrypted": TEXT}` (by `ipecs-mw secret set`), or'
            " the password itself (accepted with a warning)",
            extra=_RECONNECT,
        ),
    ]
    timezone: Annotated[
        str,
        Meta(description="IANA name of the zone that the host's clock shows, such as Asia/Singapore"),
    ]
    port: Annotated[
        int,
        Meta(ge=1, le=65535, description="the host's Web API port (REST and WebSocket)", extra=_RECONNECT),
    ] = 8743
    service: Annotated[
        Literal["server", "client"],
        Meta(description="kind of account: `server`, or `client` for a station user", extra=_RECONNECT),
    ] = "server"
    version: Annotated[
        str, Meta(pattern=r"^v[0-9]+\Z", description="version of the Web API in the path", extra=_RECONNECT)
    ] = "v1"
    tls: TlsSettings = field(default_factory=TlsSettings)
    path_prefix: Annotated[
        str,
        Meta(
            pattern=r"^(/[A-Za-z0-9._~-]+)*\Z",
            max_length=255,
            description="stands before every path, of REST and WebSocket: `/site1`, for a host behind a proxy",
            extra=_RECONNECT,
        ),
    ] = ""
    stream_path: Annotated[
        str,
        Meta(
            pattern=r"^/[^\s?#]*\Z",
            description="path of the WebSocket; `{user}` stands for the user id",
            extra=_RECONNECT,
        ),
    ] = "/ipxapi/server/v1/users/{user}/acd"
    keepalive: Annotated[
        Literal["ping", "checkconnection"],
        Meta(
            description="what renews the session every 15 s: a WebSocket `ping`, or the request `checkconnection`"
            " for a host that answers no pings",
            extra=_RECONNECT,
        ),
    ] = "ping"
    silence_seconds: Annotated[
        Annotated[int, Meta(ge=5, le=3600)] | None,
        Meta(
            description="a host that tells its time every minute (ACD event 68) and then says nothing for so long"
            " (5 to 3600 s) is asked, and after as long again reconnected; null never does"
        ),
    ] = 180
    monitor: Annotated[
        list[Numbers], Meta(description='extensions whose call events are wanted: `"1000-1099"`, `"1200"`')
    ] = field(default_factory=list)
    presence: Annotated[
        list[Numbers], Meta(description="extensions whose presence is wanted, as `monitor`")
    ] = field(default_factory=list)
    smdr: SmdrSettings = field(default_factory=SmdrSettings)
    accounts: Annotated[
        list[StationAccount], Meta(description="station users, for commands that only they may give")
    ] = field(default_factory=list)


class NumberMask(Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers that are not stored in full."""

    pattern: Annotated[
        str,
        Meta(
            pattern=r"^[0-9+#*?]+\Z",
            max_length=64,
            description="which numbers: digits, `*` for any run of characters, `?` for one; `0????*` is an outside"
            " number dialled with 0",
        ),
    ]
    keep: Annotated[
        int, Meta(ge=0, le=8, description="how many of the last digits are kept; `***` stands for the others")
    ] = 0


class EventSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The event log."""

    retention_days: Annotated[
        Days | None,
        Meta(description="days after which an event is deleted; null keeps them for ever"),
    ] = 365
    retention_days_by_kind: Annotated[
        dict[Kind, Days | None],
        Meta(description='the same for single kinds of events, such as `{"call": 30, "system": null}`'),
    ] = field(default_factory=dict)
    mask_numbers: Annotated[
        list[NumberMask], Meta(description="numbers that are masked before an event is stored")
    ] = field(default_factory=list)


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The journals in the state directory."""

    max_mebibytes: Annotated[
        int,
        Meta(
            ge=16,
            le=1048576,
            description="cap of each phone system's journal, in MiB; read at the start. At the cap reading stops:"
            " nothing is deleted",
        ),
    ] = 1024


class LoggingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The log lines of the process."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(description="the least severe lines that are written"),
    ] = "INFO"
    format: Annotated[Literal["text", "json"], Meta(description="lines to read, or to process")] = "text"
    file: Annotated[
        str | None, Meta(description="also write to this file, rotated at 20 MiB, 10 files kept")
    ] = None


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The port that tells monitoring systems how the daemon is."""

    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="port of `/healthz`, `/readyz` and `/metrics` (plain HTTP); null: none"),
    ] = None
    address: Annotated[
        str, Meta(min_length=1, max_length=253, description="the address of ours that this port listens on")
    ] = "127.0.0.1"
    max_lag_seconds: Annotated[
        int,
        Meta(
            ge=1, le=86400, description="`/readyz` says no while an event waits for MongoDB longer than this"
        ),
    ] = 60


class Bookkeeping(Struct, frozen=True):
    """What a configuration document says of itself, beside the settings."""

    revision: Annotated[int, Meta(ge=0)] = 0
    updated_at: datetime | None = None
    updated_by: str = "?"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """One profile: the configuration of one daemon."""

    hosts: Annotated[list[HostSettings], Meta(description="the phone systems to connect to")]
    locale: Annotated[Locale, Meta(description="language of sentences meant for people, such as de-DE")] = (
        "en-GB"
    )
    events: EventSettings = field(default_factory=EventSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    health: HealthSettings = field(default_factory=HealthSettings)


def parse_settings(document: Mapping[str, Any], *, source: str) -> Settings:
    """Return the settings of a configuration document, bookkeeping fields left aside.

    Raises InvalidDocument with `document` (the `source`), `path`, `value` and `allowed`.
    """
    content = {name: value for name, value in document.items() if name not in BOOKKEEPING}
    settings = convert(content, Settings, source=source)
    for path, value, allowed in _find_faults(settings):
        raise InvalidDocument("error.field_value", document=source, path=path, value=value, allowed=allowed)
    return settings


def read_bookkeeping(document: Mapping[str, Any], *, source: str) -> Bookkeeping:
    """Return what a document of `config` or `config_history` says of itself; raises InvalidDocument."""
    revision = document.get("revision")
    if isinstance(revision, float) and revision.is_integer():  # how some shells write every number
        document = {**document, "revision": int(revision)}
    return convert(document, Bookkeeping, source=source)


def needs_reconnect(old: Struct, new: Struct) -> bool:
    """Tell whether the change from `old` to `new` (both the same kind of struct) asks for a new session."""
    return any(_asks_for_session(item, old, new) for item in inspect.type_info(type(old)).fields)  # type: ignore[attr-defined]


def _asks_for_session(item: inspect.Field, old: Struct, new: Struct) -> bool:
    was, becomes = getattr(old, item.name), getattr(new, item.name)
    if isinstance(item.type, inspect.StructType):
        return needs_reconnect(was, becomes)
    is_marked = isinstance(item.type, inspect.Metadata) and bool((item.type.extra or {}).get("reconnect"))
    return is_marked and was != becomes


def expand_numbers(ranges: list[str]) -> list[str]:
    """Return the single numbers of `["1000-1002", "1200"]`, each once, in order; widths are kept."""
    numbers: dict[str, None] = {}
    for item in ranges:
        first, _, last = item.partition("-")
        for number in range(int(first), int(last or first) + 1):
            numbers[str(number).zfill(len(first))] = None
    return list(numbers)


def _find_faults(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield (path, value, what is allowed) for what the types alone cannot say."""
    seen: set[str] = set()
    accounts: set[tuple[str, int, str]] = set()
    for index, host in enumerate(settings.hosts):
        at = f"hosts[{index}]"
        if host.name in seen:
            yield f"{at}.name", repr(host.name), "a name that no other host has"
        seen.add(host.name)
        account = (host.address.lower(), host.port, host.user)
        if account in accounts:
            yield f"{at}.user", repr(host.user), "an account that no other host uses: it is admitted once"
        accounts.add(account)
        yield from _find_host_faults(at, host)
    yield from _find_address_fault("health.address", settings.health.address)
    yield from _find_file_fault("logging.file", settings.logging.file)


def _find_host_faults(at: str, host: HostSettings) -> Iterator[tuple[str, str, str]]:
    yield from _find_address_fault(f"{at}.address", host.address)
    if not is_timezone(host.timezone):
        yield f"{at}.timezone", repr(host.timezone), "an IANA time zone such as Asia/Singapore"
    yield from _find_secret_faults(f"{at}.password", host.password)
    for number, account in enumerate(host.accounts):
        yield from _find_secret_faults(f"{at}.accounts[{number}].password", account.password)
    yield from _find_file_fault(f"{at}.tls.ca_file", host.tls.ca_file)
    if host.tls.verify == "pin" and host.tls.fingerprint_sha256 is None:
        yield f"{at}.tls.fingerprint_sha256", "None", "the fingerprint of the certificate (verify is pin)"
    for setting in ("monitor", "presence"):
        yield from _find_range_faults(f"{at}.{setting}", getattr(host, setting))


def _find_secret_faults(path: str, secret: str | SecretSource) -> Iterator[tuple[str, str, str]]:
    allowed = '{"env": NAME}, {"file": PATH}, {"encrypted": TEXT}'
    if isinstance(secret, SecretSource) and len([s for s in astuple(secret) if s is not None]) != 1:
        yield path, MASK, f"exactly one of {allowed}"
    if MASK in (secret, getattr(secret, "encrypted", None)):
        yield path, MASK, f"{allowed} or a password; *** only stands for a hidden one"
    if isinstance(secret, SecretSource):
        yield from _find_file_fault(f"{path}.file", secret.file)


def _find_address_fault(path: str, address: str) -> Iterator[tuple[str, str, str]]:
    if not is_address(address):
        yield path, repr(address), ADDRESS_RULE


def _find_file_fault(path: str, file: str | None) -> Iterator[tuple[str, str, str]]:
    if file is not None and "\0" in file:
        yield path, repr(file), "a path, which has no NUL"


def _find_range_faults(path: str, ranges: list[str]) -> Iterator[tuple[str, str, str]]:
    total = 0
    for index, item in enumerate(ranges):
        first, _, last = item.partition("-")
        if last and (len(first) != len(last) or int(first) > int(last)):
            yield f"{path}[{index}]", repr(item), "FIRST-LAST of the same length, FIRST not above LAST"
            return
        total += int(last or first) - int(first) + 1
        if total > _MOST_NUMBERS:
            yield f"{path}[{index}]", repr(item), f"at most {_MOST_NUMBERS} numbers in all"
            return


def is_timezone(name: str) -> bool:
    """Tell whether `name` is a zone of the IANA database."""
    return name in available_timezones() and bool(ZoneInfo(name))
