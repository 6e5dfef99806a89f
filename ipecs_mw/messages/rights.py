"""What a token may do, and which part of the site it concerns."""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

RIGHTS: Final = (
    "calls.read",
    "commands.",
    "events.read",
    "figures.read",
    "missed.write",
    "numbers.read",
    "state.read",
    "webhooks.manage",
)
"""Every right. What ends in a dot is followed by the id of a command, or by a pattern such as `call.*`."""

COMMANDS: Final = "commands."
MANAGE: Final = "webhooks.manage"
NUMBERS: Final = "numbers.read"
"""Who has not this right gets outside numbers masked."""

TOPICS: Final[Mapping[str, str]] = {
    "events": "events.read",
    "calls": "calls.read",
    "state": "state.read",
    "missed": "calls.read",
    "figures": "figures.read",
    "requests": COMMANDS,
    "alarms": "state.read",
    "reports": "figures.read",
}
"""Topic of the stream and of webhooks → the right that it needs."""


def allows(rights: Collection[str], wanted: str) -> bool:
    """Tell whether a right is among those given; `commands.` alone asks for any command."""
    if wanted == COMMANDS:
        return any(right.startswith(COMMANDS) for right in rights)
    if wanted.startswith(COMMANDS):
        return any(right.startswith(COMMANDS) and fnmatchcase(wanted, right) for right in rights)
    return wanted in rights


def is_right(right: str) -> bool:
    """Tell whether there is such a right."""
    if right.startswith(COMMANDS):
        rest = right.removeprefix(COMMANDS)
        return bool(rest) and all(each.isalnum() or each in "._*-" for each in rest)
    return right in RIGHTS


class Scope(Struct, frozen=True):
    """The part of the site that somebody may see: of each field that is given one must fit.

    Stations and groups are one field: who is bound to both sees what concerns any of them.
    """

    hosts: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves out a part of a host."""
        return bool(self.stations or self.groups)

    def has(self, host: str, stations: Collection[str] = (), groups: Collection[str] = ()) -> bool:
        """Tell whether what concerns these is in it."""
        if self.hosts and host not in self.hosts:
            return False
        return not self.is_narrow or not (
            self.stations.isdisjoint(stations) and self.groups.isdisjoint(groups)
        )

    def covers(self, other: "Scope") -> bool:
        """Tell whether all that is in another scope is in this one."""
        if self.hosts and not (other.hosts and other.hosts <= self.hosts):
            return False
        return not self.is_narrow or (
            other.is_narrow and other.stations <= self.stations and other.groups <= self.groups
        )


EVERYTHING: Final = Scope()
