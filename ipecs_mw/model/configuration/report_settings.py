"""Settings of mails: the server that takes them, and the reports that are mailed by themselves."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.model.addresses import is_address
from ipecs_mw.model.configuration.access_settings import SecretSource, TlsSettings
from ipecs_mw.model.configuration.figure_settings import GroupNumber
from ipecs_mw.model.configuration.rules import Wrong, check_address, check_secret, check_timezone, check_tls
from ipecs_mw.model.configuration.webhook_settings import WebhookNames
from ipecs_mw.model.figure_names import LIMITS, Interval, Period, What
from ipecs_mw.model.validation import Fault

Locale = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?\Z", extra={"words": "allowed.locale"})]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Every = Literal["day", "week", "month"]

_LONGEST_ADDRESS = 254
_BEFORE_THE_AT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LAST_DAY = 31


def is_mail_address(text: str) -> bool:
    """Tell whether `text` is a bare mail address, in ASCII as every server takes it."""
    name, _, domain = text.rpartition("@")
    is_short = len(name) <= 64 and len(text) <= _LONGEST_ADDRESS
    return is_short and _BEFORE_THE_AT.fullmatch(name) is not None and is_address(domain)


def check_mail_address(text: str) -> Wrong:
    """Refuse what is no mail address and nothing more."""
    if not is_mail_address(text):
        yield "", text, Words("allowed.mail_address")


def check_mail(mail: "MailSettings | None") -> Wrong:
    """Refuse half an account, and to send a password where anybody can read it."""
    if mail is None:
        return
    if mail.user is not None and mail.security == "none":
        yield ".security", mail.security, Words("allowed.mail_security")
    if mail.user is not None and mail.password is None:
        yield ".password", None, Words("allowed.mail_password")
    if mail.user is None and mail.password is not None:
        yield ".user", None, Words("allowed.mail_user")


def check_report(report: "ReportSettings") -> Wrong:
    """Refuse what is for nobody, limits of other figures, and an `on` that `every` does not have."""
    if not report.to and not report.webhooks:
        yield ".to", report.to, Words("allowed.report_for_somebody")
    limits = LIMITS[report.what]
    for limit in ("group", "agent", "station"):
        value = getattr(report, limit)
        if value is not None and limit not in limits:
            yield (
                f".{limit}",
                value,
                Words("allowed.report_limit", what=report.what, limits=", ".join(sorted(limits))),
            )
    if report.on is None:
        return
    is_weekday = isinstance(report.on, str)
    if report.every == "day":
        yield ".on", report.on, Words("allowed.report_on_day")
    elif report.every == "week" and not is_weekday:
        yield ".on", report.on, Words("allowed.report_on_week")
    elif report.every == "month" and is_weekday:
        yield ".on", report.on, Words("allowed.report_on_month")


MailAddress = Annotated[
    str,
    Meta(max_length=_LONGEST_ADDRESS, extra={"words": "allowed.mail_address", "rule": check_mail_address}),
]


class MailSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The server by which mails are sent (SMTP)."""

    server: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            description="host name or IP address of the mail server (SMTP)",
            extra={"words": "allowed.address", "rule": check_address},
        ),
    ]
    sender: Annotated[MailAddress, Meta(description="address that the mails come from")]
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(
            description="`starttls`: TLS begins after a greeting; `tls`: from the first byte; `none`: no"
            " TLS, for a server on this machine that asks for no password"
        ),
    ] = "starttls"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="port of the server; null: 587 for `starttls`, 465 for `tls`, 25 for `none`"),
    ] = None
    user: Annotated[
        Annotated[str, Meta(min_length=1, max_length=255)] | None,
        Meta(description="user name at the server; null: the server asks for none"),
    ] = None
    password: Annotated[
        str | SecretSource | None,
        Meta(
            description="password of `user`, written in the same forms as a host's; `ipecs-mw secret set --mail`"
            " encrypts it",
            extra={"rule": check_secret},
        ),
    ] = None
    tls: Annotated[TlsSettings, Meta(extra={"rule": check_tls})] = field(default_factory=TlsSettings)
    timeout_seconds: Annotated[
        int,
        Meta(ge=1, le=100, description="seconds within which the server has to take a mail, login included"),
    ] = 30


class ReportSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures that are sent at their times."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
            description="name of the report",
            extra={"words": "allowed.host_name"},
        ),
    ]
    what: Annotated[What, Meta(description="which figures, as the command `figures` names them")]
    period: Annotated[
        Period,
        Meta(description="which days, as seen from the instant at which the report is due"),
    ]
    every: Annotated[Every, Meta(description="how often it is sent")]
    to: Annotated[
        Annotated[list[MailAddress], Meta(max_length=100)],
        Meta(description="addresses that it is mailed to; none: name `webhooks`"),
    ] = field(default_factory=list)
    webhooks: Annotated[
        WebhookNames | None,
        Meta(
            description="[webhooks](webhooks.md) with the topic `reports` that are told; null: all of these"
        ),
    ] = None
    on: Annotated[
        Weekday | Annotated[int, Meta(ge=1, le=_LAST_DAY)] | None,
        Meta(
            description="the weekday for `week`, the day of the month for `month`; in a shorter month the last"
            " day. null: `monday`, `1`"
        ),
    ] = None
    at: Annotated[
        str,
        Meta(
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z",
            description="local time of `zone` at which it is sent",
            extra={"words": "allowed.time_of_day"},
        ),
    ] = "07:00"
    zone: Annotated[
        str | None,
        Meta(
            description="IANA name of the time zone of `at` and of the days; null: that of `host`, else of the"
            " first host",
            extra={"rule": lambda zone: () if zone is None else check_timezone(zone)},
        ),
    ] = None
    language: Annotated[
        Locale | None,
        Meta(description="language of the mail and of what webhooks get, such as de-DE; null: `locale`"),
    ] = None
    interval: Annotated[
        Interval | None,
        Meta(
            description="a row for each interval, `all`: for the whole period, `hour-of-day` and `weekday`: all"
            " days together; null: `1h` for `hours`, else `all`; only of `queues`, `agents`, `hours` and `day`"
        ),
    ] = None
    host: Annotated[str | None, Meta(description="only this phone system; null: all")] = None
    group: Annotated[GroupNumber | None, Meta(description="only this group; null: all")] = None
    agent: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)] | None,
        Meta(description="only this agent; null: all"),
    ] = None
    station: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{1,8}\Z", extra={"words": "allowed.station"})] | None,
        Meta(description="only this station; null: all"),
    ] = None
    top: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None,
        Meta(description="at most so many rows, those with most calls first; null: all"),
    ] = None
    hours: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)] | None,
        Meta(
            description="only inside of these hours: `office`, `outside`, or the name of a shift; null: all"
        ),
    ] = None


def find_report_faults(content: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with reports beside others: a name twice, a host that is none, no server to send by."""
    reports = [
        (index, report)
        for index, report in enumerate(_list(content.get("reports")))
        if isinstance(report, Mapping)
    ]
    hosts = [host.get("name") for host in _list(content.get("hosts")) if isinstance(host, Mapping)]
    names: set[Any] = set()
    for index, report in reports:
        name, host = report.get("name"), report.get("host")
        if isinstance(name, str) and name in names:
            words = Words("allowed.report_name_of_its_own")
            yield Fault("error.field_value", f"reports[{index}].name", name, words)
        names.add(str(name))
        if isinstance(host, str) and host not in hosts:
            known = ", ".join(map(str, hosts)) or "-"
            yield Fault("error.field_value", f"reports[{index}].host", host, known)
    if content.get("mail") is None and any(report.get("to") for _, report in reports):
        yield Fault("error.field_value", "mail", None, Words("allowed.mail_for_reports"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
