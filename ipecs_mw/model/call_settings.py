"""Settings of what is read out of events: calls and figures."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.model.extensions import Numbers
from ipecs_mw.model.rules import check_numbers

Days = Annotated[int, Meta(ge=1, le=24855)]  # MongoDB counts them as seconds, in 31 bits
GroupNumber = Annotated[str, Meta(pattern=r"^[0-9]{1,8}\Z", extra={"words": "allowed.group"})]
ShortSeconds = Annotated[int, Meta(ge=0, le=300)]
Formula = Literal["offered", "without_abandoned", "abandoned_met", "answered", "without_short"]


class CallSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls, agent states and missed calls, as they are read out of events."""

    enabled: Annotated[
        bool,
        Meta(
            description="read the events for calls, agent states and missed calls. Of all daemons of a database"
            " one does this. false: daemons of this profile do not. The event log stays as it is, and `rebuild`"
            " makes the calls of it at any time"
        ),
    ] = True
    retention_days: Annotated[
        Days | None,
        Meta(
            description="days after which a call, an agent's state and a closed missed call are deleted; an open"
            " missed call stays. null: never"
        ),
    ] = 1095
    machines: Annotated[
        list[Numbers],
        Meta(
            description="extensions that are no person, as `monitor`: announcements, door phones. A call is not"
            " answered by them",
            extra={"rule": check_numbers},
        ),
    ] = field(default_factory=list)


class ServiceLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """How a group's service level is computed."""

    formula: Annotated[
        Formula,
        Meta(description="which calls count for the service level, see [groups](#groups)"),
    ] = "offered"
    threshold_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="a call that waits no longer is answered in time")
    ] = 20


class GroupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A group, as its figures are made."""

    name: Annotated[str, Meta(max_length=64, description="name of the group for people")] = ""
    bin: Annotated[
        GroupNumber | None,
        Meta(
            description="number by which ACD events name the group, where it is not the group's own; null: learned"
            " from a login that ACD events and call events both tell, else the group's own"
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
    retention_days: Annotated[
        Days | None, Meta(description="days after which a figure is deleted; null: never")
    ] = 1095
