"""Settings of alarms: what is to be told at once, and to whom."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.model.configuration.figure_settings import GroupNumber
from ipecs_mw.model.configuration.report_settings import Locale, MailAddress
from ipecs_mw.model.configuration.rules import Wrong
from ipecs_mw.model.configuration.webhook_settings import WebhookNames
from ipecs_mw.model.numbering.emergency_numbers import EMERGENCY_NUMBERS
from ipecs_mw.model.validation import Fault

When = Literal["emergency_call", "call_to", "long_call", "trunks_busy", "waiting", "service_level"]

AlarmNumber = Annotated[str, Meta(pattern=r"^\+?[0-9]{1,30}\*?\Z", extra={"words": "allowed.alarm_number"})]
"""A number, or with `*` at its end the beginning of numbers."""


class Fields(NamedTuple):
    """What a kind of alarm goes by: fields that it needs, of which it needs one at least, and that it may have."""

    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


KINDS: Mapping[str, Fields] = {
    "emergency_call": Fields(allowed=("numbers",)),
    "call_to": Fields(needed=("numbers",)),
    "long_call": Fields(needed=("longer_than_seconds",), allowed=("group",)),
    "trunks_busy": Fields(),
    "waiting": Fields(one_of=("more_than_calls", "longer_than_seconds"), allowed=("group",)),
    "service_level": Fields(needed=("below_percent",), allowed=("at_least_calls", "group")),
}
"""Each kind of alarm; `name`, `when`, `to`, `webhooks`, `language` and `host` are of all."""

_OWN = tuple(dict.fromkeys(name for fields in KINDS.values() for part in fields for name in part))


class AlarmSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be told at once."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
            description="name of the alarm",
            extra={"words": "allowed.host_name"},
        ),
    ]
    when: Annotated[When, Meta(description="what raises it: see [alarms](alarms.md)")]
    to: Annotated[
        Annotated[list[MailAddress], Meta(max_length=100)],
        Meta(description="addresses that it is mailed to; none: it is an event, and stands in `status`"),
    ] = field(default_factory=list)
    webhooks: Annotated[
        WebhookNames | None,
        Meta(description="[webhooks](webhooks.md) with the topic `alarms` that are told; null: all of these"),
    ] = None
    language: Annotated[
        Locale | None,
        Meta(description="language of the mail and of what webhooks get, such as de-DE; null: `locale`"),
    ] = None
    host: Annotated[str | None, Meta(description="only of this phone system; null: of each")] = None
    group: Annotated[GroupNumber | None, Meta(description="only of this group; null: of each")] = None
    numbers: Annotated[
        Annotated[list[AlarmNumber], Meta(min_length=1, max_length=1000)] | None,
        Meta(
            description="the numbers that are dialled; `0900*`: each that begins so. null for `emergency_call`:"
            " those of `numbers.country`"
        ),
    ] = None
    longer_than_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=86400)] | None,
        Meta(description="a conversation, or the longest wait in a group, that lasts longer than this"),
    ] = None
    more_than_calls: Annotated[
        Annotated[int, Meta(ge=0, le=10000)] | None, Meta(description="more calls than this wait in a group")
    ] = None
    below_percent: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="a group's service level in a quarter of an hour is below this"),
    ] = None
    at_least_calls: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None,
        Meta(description="a quarter of an hour with fewer calls than this raises none; null: 5"),
    ] = None


DEFAULT_AT_LEAST_CALLS = 5


def check_alarm(alarm: AlarmSettings) -> Wrong:
    """Refuse what an alarm's kind does not go by, and the lack of what it needs."""
    fields = KINDS[alarm.when]
    given = {name for name in _OWN if getattr(alarm, name) is not None}
    for name in fields.needed:
        if name not in given:
            yield f".{name}", None, Words("allowed.alarm_needs", when=alarm.when)
    if fields.one_of and given.isdisjoint(fields.one_of):
        names = ", ".join(fields.one_of)
        yield f".{fields.one_of[0]}", None, Words("allowed.alarm_needs_one", when=alarm.when, names=names)
    known = {name for part in fields for name in part}
    for name in _OWN:
        if name in given - known:
            yield f".{name}", getattr(alarm, name), Words("allowed.alarm_without", when=alarm.when)


def find_emergency_numbers(alarm: AlarmSettings, country: str | None) -> tuple[str, ...]:
    """Return the numbers of an alarm for emergencies: its own, else those of the country."""
    return tuple(alarm.numbers or ()) or EMERGENCY_NUMBERS.get(country or "", ())


def find_alarm_faults(content: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with alarms beside other settings: a name twice, a host that is none, what they lack."""
    alarms = [(f"alarms[{index}]", alarm) for index, alarm in enumerate(_list_objects(content, "alarms"))]
    hosts = [host.get("name") for host in _list_objects(content, "hosts")]
    names: set[str] = set()
    for path, alarm in alarms:
        name, host = alarm.get("name"), alarm.get("host")
        if isinstance(name, str) and name in names:
            yield Fault("error.field_value", f"{path}.name", name, Words("allowed.alarm_name_of_its_own"))
        names.add(str(name))
        if isinstance(host, str) and host not in hosts:
            known = ", ".join(map(str, hosts)) or "-"
            yield Fault("error.field_value", f"{path}.host", host, known)
        yield from _find_lacking(path, alarm, content)
    if content.get("mail") is None and (
        told := [alarm.get("name") for _, alarm in alarms if alarm.get("to")]
    ):
        words = Words("allowed.mail_for_alarms", names=", ".join(map(str, told)))
        yield Fault("error.field_value", "mail", None, words)


def _find_lacking(path: str, alarm: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what an alarm needs of other settings, and they do not say."""
    when = alarm.get("when")
    country = _get(content, "numbers", "country")
    if when == "emergency_call" and not alarm.get("numbers") and str(country) not in EMERGENCY_NUMBERS:
        yield Fault("error.field_value", f"{path}.numbers", None, Words("allowed.alarm_emergency_numbers"))
    if when == "trunks_busy" and _get(content, "figures", "trunks") is None:
        words = Words("allowed.alarm_trunks", name=alarm.get("name"))
        yield Fault("error.field_value", "figures.trunks", None, words)


def _list_objects(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    items = found if isinstance(found, list) else []
    return [each if isinstance(each, Mapping) else {} for each in items]


def _get(content: Mapping[str, Any], section: str, name: str) -> Any:
    found = content.get(section)
    return found.get(name) if isinstance(found, Mapping) else None
