"""Every setting, defined once: its type, default, range and description.

Validation, documentation and `config get` all come from these structs. `extra={"reconnect": True}` marks a
setting whose change needs a new session with the host.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field, inspect

from ipecs_mw.model.configuration.access_settings import RECONNECT, SecretSource, TlsSettings
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings, check_alarm, find_alarm_faults
from ipecs_mw.model.configuration.api_settings import ApiSettings
from ipecs_mw.model.configuration.call_settings import CallSettings, Days
from ipecs_mw.model.configuration.figure_settings import FigureSettings
from ipecs_mw.model.configuration.formats import FormatSettings, NumberSettings
from ipecs_mw.model.configuration.report_settings import (
    Locale,
    MailSettings,
    ReportSettings,
    check_mail,
    check_report,
    find_report_faults,
)
from ipecs_mw.model.configuration.rules import (
    check_address,
    check_file,
    check_numbers,
    check_secret,
    check_timezone,
    check_tls,
    find_twins,
)
from ipecs_mw.model.configuration.webhook_settings import WebhookSettings
from ipecs_mw.model.numbering.extensions import Numbers
from ipecs_mw.model.validation import Fault, convert, find_faults, refuse

BOOKKEEPING = ("_id", "revision", "updated_at", "updated_by", "secrets_changed", "seeded")
"""Fields of a configuration document that are not settings."""

Kind = Literal["acd", "call", "presence", "smdr", "system", "unknown", "undecodable"]
Caption = Annotated[str, Meta(min_length=1, max_length=64)]


class SmdrSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens with the call records that the host stores."""

    backfill: Annotated[
        bool, Meta(description="read the records that were missed while the daemon was not connected")
    ] = True
    number_captions: Annotated[
        Annotated[list[Caption], Meta(min_length=2, max_length=2)] | None,
        Meta(
            description="captions that the administrator chose for the two number fields of a call record;"
            " null: recognise them by their order"
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
        Meta(
            description="authorization code followed by the suffix code; written in the same forms as the"
            " host's password",
            extra={"rule": check_secret},
        ),
    ]


class HostSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One iPECS system and the Web API account to use there."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
            description="our name for the host; every event of the host has it",
            extra=RECONNECT | {"words": "allowed.host_name"},
        ),
    ]
    address: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="host name or IP address",
            extra=RECONNECT | {"words": "allowed.address", "rule": check_address},
        ),
    ]
    user: Annotated[str, Meta(min_length=1, description="user id of the Web API account", extra=RECONNECT)]
    password: Annotated[
        str | SecretSource,
        Meta(
            description='`{"env": NAME}`, `{"file": PATH}`, `{"encrypted": TEXT}` (by `ipecs-mw secret set`), or'
            " the password itself (accepted with a warning)",
            extra=RECONNECT | {"rule": check_secret},
        ),
    ]
    timezone: Annotated[
        str,
        Meta(
            description="IANA name of the time zone of the host's clock, such as Asia/Singapore; `Etc/GMT-9`"
            " is 9 hours ahead of UTC, not behind",
            extra={"rule": check_timezone},
        ),
    ]
    port: Annotated[
        int,
        Meta(ge=1, le=65535, description="the host's Web API port (REST and WebSocket)", extra=RECONNECT),
    ] = 8743
    service: Annotated[
        Literal["server", "client"],
        Meta(description="kind of account: `server`, or `client` for a station user", extra=RECONNECT),
    ] = "server"
    version: Annotated[
        str,
        Meta(
            pattern=r"^v[0-9]+\Z",
            description="version of the Web API in the path",
            extra=RECONNECT | {"words": "allowed.version"},
        ),
    ] = "v1"
    tls: Annotated[TlsSettings, Meta(extra={"rule": check_tls})] = field(default_factory=TlsSettings)
    path_prefix: Annotated[
        str,
        Meta(
            pattern=r"^(/[A-Za-z0-9._~-]+)*\Z",
            max_length=255,
            description="prefix of every path of REST and WebSocket, such as `/site1`, for a host behind a proxy",
            extra=RECONNECT | {"words": "allowed.path_prefix"},
        ),
    ] = ""
    stream_path: Annotated[
        str,
        Meta(
            pattern=r"^/[^\s?#]*\Z",
            description="path of the WebSocket; `{user}` stands for the user id",
            extra=RECONNECT | {"words": "allowed.stream_path"},
        ),
    ] = "/ipxapi/server/v1/users/{user}/acd"
    keepalive: Annotated[
        Literal["ping", "checkconnection"],
        Meta(
            description="what renews the session every 15 s: a WebSocket `ping`, or the request `checkconnection`"
            " for a host that answers no pings",
            extra=RECONNECT,
        ),
    ] = "ping"
    silence_seconds: Annotated[
        Annotated[int, Meta(ge=5, le=3600)] | None,
        Meta(
            description="seconds of silence (5 to 3600), for a host that tells its time every minute (ACD"
            " event 68). Then the daemon asks the host; if the silence goes on, it connects anew. null: never"
        ),
    ] = 180
    monitor: Annotated[
        list[Numbers],
        Meta(
            description='extensions whose call events are wanted: `"1000-1099"`, `"1200"`',
            extra={"rule": check_numbers},
        ),
    ] = field(default_factory=list)
    presence: Annotated[
        list[Numbers],
        Meta(description="extensions whose presence is wanted, as `monitor`", extra={"rule": check_numbers}),
    ] = field(default_factory=list)
    formats: FormatSettings = field(default_factory=FormatSettings)
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
            extra={"words": "allowed.mask_pattern"},
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
        Meta(description="days after which an event is deleted; null: never"),
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
            description="limit of each phone system's journal, in MiB; read at the start. At the limit the"
            " daemon stops reading and deletes nothing",
        ),
    ] = 1024


class LoggingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The log lines of the process."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(description="the lowest level that is written"),
    ] = "INFO"
    format: Annotated[Literal["text", "json"], Meta(description="`text` for people, `json` for programs")] = (
        "text"
    )
    file: Annotated[
        str | None,
        Meta(
            description="also write to this file; rotated at 20 MiB, 10 old files kept",
            extra={"rule": check_file},
        ),
    ] = None


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The port that tells monitoring systems how the daemon is."""

    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="port of `/healthz`, `/readyz` and `/metrics` (plain HTTP); null: none"),
    ] = None
    address: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="the address of this machine on which the port listens",
            extra={"words": "allowed.address", "rule": check_address},
        ),
    ] = "127.0.0.1"
    max_lag_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=86400,
            description="`/readyz` answers 503 while an event has waited longer than this for MongoDB",
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
    calls: CallSettings = field(default_factory=CallSettings)
    figures: FigureSettings = field(default_factory=FigureSettings)
    numbers: NumberSettings = field(default_factory=NumberSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    mail: Annotated[
        MailSettings | None,
        Meta(description="the server by which mails are sent; null: none are", extra={"rule": check_mail}),
    ] = None
    reports: Annotated[
        list[Annotated[ReportSettings, Meta(extra={"rule": check_report})]],
        Meta(description="[reports](reports.md): figures that are mailed at their times"),
    ] = field(default_factory=list)
    alarms: Annotated[
        list[Annotated[AlarmSettings, Meta(extra={"rule": check_alarm})]],
        Meta(description="[alarms](alarms.md): what is told at once"),
    ] = field(default_factory=list)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)


def parse_settings(document: Mapping[str, Any], *, source: str) -> Settings:
    """Return the settings of a configuration document, bookkeeping fields left aside.

    Raises InvalidDocument with `document` (the `source`), `path`, `value` and `allowed`: the first fault, and with
    it all others.
    """
    content = {name: value for name, value in document.items() if name not in BOOKKEEPING}
    twins = find_twins(content.get("hosts"))
    faults = [Fault("error.field_value", f"hosts{below}", value, allowed) for below, value, allowed in twins]
    faults += find_report_faults(content)
    faults += find_alarm_faults(content)
    refuse(source, [*find_faults(content, Settings), *faults])
    return convert(content, Settings, source=source)


def list_passwords(settings: Settings) -> list[str | SecretSource]:
    """Return every secret of a profile, as it is written there."""
    found = [settings.mail.password] if settings.mail else []
    for host in settings.hosts:
        found += [host.password, *(account.password for account in host.accounts)]
    return [each for each in found if each is not None]


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
    kind = item.type if isinstance(item.type, inspect.Metadata) else inspect.Metadata(item.type)
    if isinstance(kind.type, inspect.StructType):
        return needs_reconnect(was, becomes)
    return bool((kind.extra or {}).get("reconnect")) and was != becomes
