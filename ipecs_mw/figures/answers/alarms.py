"""Which alarms are raised: from their rules, and from calls, live groups and quarter hours as they are.

Each alarm names its cause, so that the same cause is one alarm however often it is looked at. A call is a cause of
its own, also where it is over already. Busy trunks, a group that waits and a low service level are true now or
not; where nobody can know, that is said, and what was raised stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import floor
from typing import Any

from msgspec import Struct

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.formulas import SERVICE_LEVELS
from ipecs_mw.figures.answers.rows import apply_rule
from ipecs_mw.figures.counting.rules import Rules
from ipecs_mw.figures.time.quarters import QUARTER, find_quarter
from ipecs_mw.model.configuration.alarm_settings import (
    DEFAULT_AT_LEAST_CALLS,
    AlarmSettings,
    find_emergency_numbers,
)
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.numbers import find_spellings, read_all, read_number

Document = Mapping[str, Any]

OF_CALLS = frozenset({"emergency_call", "call_to", "long_call"})
"""Kinds whose cause is a call: told also where it is over already."""

_LATEST = timedelta(minutes=30)  # a service level from before is of no use any more
_NOT_OURS = frozenset({"inbound", "tandem"})


class Alarm(Struct, frozen=True):
    """That a rule holds: `cause` tells one cause from others of the rule and the host.

    `says` is what there is to tell. `until` is when it was over; None while it lasts.
    """

    cause: str
    since: datetime
    says: Words
    until: datetime | None = None


class Judgement(Struct, frozen=True):
    """What a rule finds at a host. What is not among it is over where that `is_known`."""

    alarms: tuple[Alarm, ...] = ()
    is_known: bool = True


class Facts(Struct, frozen=True):
    """What is known of a host now.

    `calls` are those that changed, and all that last. `groups` are the live documents of groups, `levels` the
    figures of groups in the quarter hours that are judged, counted up to `as_of`. `is_live` says whether anybody
    can know what is true now.
    """

    host: str
    now: datetime
    calls: Sequence[Document] = ()
    groups: Sequence[Document] = ()
    levels: Sequence[Document] = ()
    as_of: datetime | None = None
    is_live: bool = True
    plan: NumberSettings = NumberSettings()
    rules: Rules = Rules()
    trunks: int = 0


def judge(rule: AlarmSettings, facts: Facts) -> Judgement:
    """Return what a rule finds at a host."""
    return _JUDGES[rule.when](rule, facts)


# calls


def _judge_emergency(rule: AlarmSettings, facts: Facts) -> Judgement:
    patterns = find_emergency_numbers(rule, facts.plan.country)
    return Judgement(
        tuple(_find_calls(rule, facts, lambda number: _is_dialled(number, patterns, facts.plan)))
    )


def _judge_number(rule: AlarmSettings, facts: Facts) -> Judgement:
    matches = _build_match(rule.numbers or (), facts.plan)
    return Judgement(tuple(_find_calls(rule, facts, matches)))


def _find_calls(rule: AlarmSettings, facts: Facts, is_meant: Callable[[str], bool]) -> Iterator[Alarm]:
    for call in facts.calls:
        number = _find_dialled(call, is_urgent=rule.when == "emergency_call")
        if number and is_meant(number):
            said = Words(f"alarm.says.{rule.when}", station=_name_station(call), number=number)
            yield Alarm(call["_id"], call["began_at"], said, call.get("ended_at"))


def _find_dialled(call: Document, *, is_urgent: bool) -> str | None:
    """Return the number that a station dialled for somebody outside.

    While no trunk is seen and nobody else is in the call, a short number may be an extension's. Where it is urgent
    it is taken for one of outside: a false alarm is better than none.
    """
    direction, dialed = call.get("direction"), call.get("dialed") or {}
    number: str | None = dialed.get("number")
    if direction in _NOT_OURS:
        return None
    if direction != "internal":
        return number
    is_alone = len(call.get("stations") or ()) <= 1 and not call.get("groups")
    return (number or dialed.get("station")) if is_urgent and is_alone else None


def _is_dialled(number: str, patterns: Iterable[str], plan: NumberSettings) -> bool:
    """Tell whether a short number was dialled, with the prefix of an outside line or without."""
    bare = "".join(sign for sign in number if sign.isalnum() or sign == "+")
    ways = (bare, bare.removeprefix(plan.trunk_prefix))
    return any(_fits(way, pattern) for way in ways for pattern in patterns)


def _fits(number: str, pattern: str) -> bool:
    return number.startswith(pattern[:-1]) if pattern.endswith("*") else number == pattern


def _build_match(patterns: Sequence[str], plan: NumberSettings) -> Callable[[str], bool]:
    """Return what tells whether a number is one of these, in any of its spellings."""
    beginnings = tuple(each[:-1] for each in patterns if each.endswith("*"))
    readings = {reading for each in patterns if not each.endswith("*") for reading in read_all(each, plan)}

    def matches(number: str) -> bool:
        bare = read_number(number) or number
        return not readings.isdisjoint(read_all(number, plan)) or (
            bool(beginnings) and any(each.startswith(beginnings) for each in find_spellings(bare, plan))
        )

    return matches


def _judge_long(rule: AlarmSettings, facts: Facts) -> Judgement:
    seconds = rule.longer_than_seconds or 0
    limit = timedelta(seconds=seconds)
    found = []
    for call in facts.calls:
        answered, ended = call.get("answered_at"), call.get("ended_at")
        is_meant = rule.group is None or rule.group in (call.get("groups") or ())
        if answered is None or not is_meant or (ended is None and not facts.is_live):
            continue
        if (ended or facts.now) - answered > limit:
            said = _say_long(seconds, station=_name_station(call), number=_name_other(call))
            found.append(Alarm(call["_id"], call["began_at"], said, ended))
    return Judgement(tuple(found), facts.is_live)


def _say_long(seconds: int, **facts: str) -> Words:
    """Return what is said of a long call, its limit in minutes where they are whole; all facts can be stored."""
    minutes, rest = divmod(seconds, 60)
    if rest:
        return Words("alarm.says.long_call_seconds", seconds=seconds, **facts)
    return Words("alarm.says.long_call_minutes", minutes=minutes, **facts)


def _name_station(call: Document) -> str:
    """Return who of ours has the call, as far as that is known."""
    caller, answered = call.get("caller") or {}, call.get("answered_by") or {}
    known = caller.get("station") or answered.get("station") or next(iter(call.get("stations") or ()), "?")
    return str(known)


def _name_other(call: Document) -> str:
    """Return with whom it is, as far as that is known."""
    caller, dialed = call.get("caller") or {}, call.get("dialed") or {}
    return str(caller.get("number") or dialed.get("number") or dialed.get("station") or "?")


# what is true now


def _judge_trunks(_: AlarmSettings, facts: Facts) -> Judgement:
    if not facts.is_live or not facts.trunks:
        return Judgement(is_known=False)
    used = {trunk for call in facts.calls if call.get("is_open") for trunk in call.get("trunks") or ()}
    if len(used) < facts.trunks:
        return Judgement()
    return Judgement((Alarm("trunks", facts.now, Words("alarm.says.trunks_busy", trunks=facts.trunks)),))


def _judge_waiting(rule: AlarmSettings, facts: Facts) -> Judgement:
    groups = [each for each in facts.groups if rule.group in (None, each["group"])]
    if not facts.is_live or any(each.get("unseen") for each in groups):
        return Judgement(is_known=False)
    return Judgement(tuple(alarm for each in groups if (alarm := _find_waiting(rule, each, facts.now))))


def _find_waiting(rule: AlarmSettings, group: Document, now: datetime) -> Alarm | None:
    waiting, since = group.get("waiting", 0), group.get("longest_wait_since")
    seconds = 0 if since is None else max(0, int((now - since).total_seconds()))
    is_much = rule.more_than_calls is not None and waiting > rule.more_than_calls
    is_long = rule.longer_than_seconds is not None and seconds > rule.longer_than_seconds
    if not is_much and not is_long:
        return None
    said = Words("alarm.says.waiting", group=group["group"], waiting=waiting, seconds=seconds)
    return Alarm(group["group"], now, said)


# quarter hours


def find_judged(as_of: datetime, threshold_seconds: int) -> datetime:
    """Return the last quarter hour whose calls have all had the time that the threshold gives."""
    return find_quarter(as_of - timedelta(seconds=threshold_seconds)) - QUARTER


def _judge_level(rule: AlarmSettings, facts: Facts) -> Judgement:
    """Judge the service level of the last quarter hour that can be."""
    if facts.as_of is None:
        return Judgement(is_known=False)
    found = []
    for document in facts.levels:
        group = document["group"]
        limits = facts.rules.find(group)
        last = find_judged(facts.as_of, limits.threshold_seconds)
        if document["from"] != last or rule.group not in (None, group):
            continue
        if document.get("gap_seconds") or facts.now - last - QUARTER > _LATEST:
            return Judgement(is_known=False)
        value = SERVICE_LEVELS[limits.formula].compute(apply_rule(dict(document), limits))
        is_enough = document.get("offered", 0) >= (rule.at_least_calls or DEFAULT_AT_LEAST_CALLS)
        if value is None or not is_enough or value >= (rule.below_percent or 0) / 100:
            continue
        said = Words(
            "alarm.says.service_level",
            group=group,
            percent=_say_percent(value),
            calls=document["offered"],
            goal=rule.below_percent,
            seconds=limits.threshold_seconds,
        )
        found.append(Alarm(group, last, said))
    return Judgement(tuple(found), facts.now - facts.as_of <= _LATEST)


def _say_percent(share: float) -> Words:
    """Return a share in percent, rounded down: what is below a goal never reads as the goal."""
    whole, tenth = divmod(floor(round(1000 * share, 6)), 10)
    return Words("figures.decimal", whole=whole, tenth=tenth)


_JUDGES: Mapping[str, Callable[[AlarmSettings, Facts], Judgement]] = {
    "emergency_call": _judge_emergency,
    "call_to": _judge_number,
    "long_call": _judge_long,
    "trunks_busy": _judge_trunks,
    "waiting": _judge_waiting,
    "service_level": _judge_level,
}
