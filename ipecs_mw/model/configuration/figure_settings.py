"""Settings of the figures: groups, office hours and shifts, departments, names of reasons."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.model.configuration.call_settings import Days
from ipecs_mw.model.configuration.rules import check_numbers
from ipecs_mw.model.numbering.extensions import Numbers

GroupNumber = Annotated[str, Meta(pattern=r"^[0-9]{1,8}\Z", extra={"words": "allowed.group"})]
ShortSeconds = Annotated[int, Meta(ge=0, le=300)]
Formula = Literal["offered", "without_abandoned", "abandoned_met", "answered", "without_short"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
QuarterTime = Annotated[
    str, Meta(pattern=r"^(([01][0-9]|2[0-3]):(00|15|30|45)|24:00)\Z", extra={"words": "allowed.quarter_time"})
]
Name = Annotated[str, Meta(pattern=r"^[^.$\x00]{1,64}\Z", extra={"words": "allowed.plain_name"})]
"""A name that MongoDB takes as a field."""

ReasonKey = Annotated[str, Meta(pattern=r"^[0-9*#]\Z", extra={"words": "allowed.reason_key"})]


class ServiceLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """How a group's service level is computed."""

    formula: Annotated[
        Formula,
        Meta(description="which calls count for the service level, see [groups](#groups)"),
    ] = "offered"
    threshold_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="a call that waits no longer is answered in time")
    ] = 20
    goal_percent: Annotated[
        int, Meta(ge=1, le=100, description="goal of the service level on the [wall](page.md#wall)")
    ] = 80


class GroupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A group, as its figures are made."""

    name: Annotated[str, Meta(max_length=64, description="name of the group for people")] = ""
    bin: Annotated[
        GroupNumber | None,
        Meta(
            description="number by which ACD events name the group, where it is not the group's own; null: learned"
            " from what ACD events and call events both tell, else the group's own"
        ),
    ] = None
    service_level: Annotated[
        ServiceLevel | None,
        Meta(description="as `figures.default.service_level`, of this group; null: that one"),
    ] = None
    short_seconds: Annotated[
        ShortSeconds | None,
        Meta(description="as `figures.default.short_seconds`, of this group; null: that one"),
    ] = None


class DefaultFigures(Struct, frozen=True, forbid_unknown_fields=True):
    """What holds of groups that say nothing else."""

    service_level: ServiceLevel = field(default_factory=ServiceLevel)
    short_seconds: Annotated[
        ShortSeconds,
        Meta(description="a caller who gives up sooner makes a short call, which is no missed call"),
    ] = 5


def bare_bin(group_bin: str) -> str:
    """Return a bin as the event log has it: without zeros before it."""
    return group_bin.lstrip("0")


def check_groups(groups: Mapping[str, GroupSettings]) -> Iterator[tuple[str, Any, Words]]:
    """Refuse two groups with one bin: they would be one group, configured twice."""
    holders: dict[str, str] = {}
    for number, group in groups.items():
        if group.bin is None:
            continue
        bare = bare_bin(group.bin)
        if bare in holders:
            yield f".{number}.bin", group.bin, Words("allowed.bin_of_its_own", group=holders[bare])
        holders.setdefault(bare, number)


class Hours(Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from", "end": "until"}):
    """A part of the day on some days of the week, by the clock of the phone system's zone."""

    begin: Annotated[QuarterTime, Meta(description="when it begins, at a quarter of an hour: `08:00`")]
    end: Annotated[
        QuarterTime,
        Meta(description="when it ends: `18:00`; up to `24:00`. Before `from`: on the day after"),
    ]
    days: Annotated[list[Weekday], Meta(description="the days on which it begins: `mon` to `sun`")] = field(
        default_factory=lambda: ["mon", "tue", "wed", "thu", "fri"]
    )


def check_hours(hours: Hours | None) -> Iterator[tuple[str, Any, Words]]:
    """Refuse hours that end when they begin."""
    if hours is not None and hours.begin == hours.end:
        yield ".until", hours.end, Words("allowed.other_time")


def check_shifts(shifts: Mapping[str, Hours]) -> Iterator[tuple[str, Any, Words]]:
    """Refuse shifts that end when they begin, and names that mean something else."""
    for name, hours in shifts.items():
        if name in ("office", "outside"):
            yield f".{name}", name, Words("allowed.shift_name")
        for below, value, allowed in check_hours(hours):
            yield f".{name}{below}", value, allowed


def check_departments(departments: Mapping[str, list[str]]) -> Iterator[tuple[str, Any, Words]]:
    """Refuse ranges that lead nowhere."""
    for name, numbers in departments.items():
        for below, value, allowed in check_numbers(numbers):
            yield f".{name}{below}", value, allowed


class FigureSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of groups and agents."""

    groups: Annotated[
        dict[GroupNumber, GroupSettings],
        Meta(description="the groups by their numbers", extra={"rule": check_groups}),
    ] = field(default_factory=dict)
    default: DefaultFigures = field(default_factory=DefaultFigures)
    trunks: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None,
        Meta(
            description="how many trunks there are (1 to 10000): the figures then say for how long all of them"
            " were busy. null: unknown"
        ),
    ] = None
    metrics: Annotated[
        Annotated[list[GroupNumber], Meta(max_length=100)],
        Meta(
            description="groups, at most 100, of which [`/metrics`](deployment.md#metrics-of-groups) tells how"
            " they do: who waits, what agents do, today's service level"
        ),
    ] = field(default_factory=list)
    reasons: Annotated[
        dict[ReasonKey, Name],
        Meta(description='names of the reasons for not being ready, by their keys: `{"1": "Lunch"}`'),
    ] = field(default_factory=dict)
    departments: Annotated[
        dict[Name, list[Numbers]],
        Meta(
            description='stations of each department: `{"Sales": ["1000-1019", "1100"]}`',
            extra={"rule": check_departments},
        ),
    ] = field(default_factory=dict)
    office_hours: Annotated[
        Hours | None,
        Meta(
            description="the office hours; null: figures do not tell them apart", extra={"rule": check_hours}
        ),
    ] = None
    shifts: Annotated[
        dict[Name, Hours],
        Meta(
            description="named parts of the day, such as an early and a late shift",
            extra={"rule": check_shifts},
        ),
    ] = field(default_factory=dict)
    retention_days: Annotated[
        Days | None, Meta(description="days after which a figure is deleted; null: never")
    ] = 1095
