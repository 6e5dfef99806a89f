"""Which messages somebody gets: topics and filters that were asked for, within what may be seen."""

from msgspec import Struct

from ipecs_mw.messages.message import Document, Message, collect
from ipecs_mw.messages.rights import COMMANDS, EVERYTHING, Scope, allows

_ABOUT_A_HOST = frozenset({"gap", "host"})
"""What concerns all stations and groups of a host, so that no filter but that of the host leaves it out."""

_OF_NOBODY = frozenset({"reset", "test"})


class Selection(Struct, frozen=True):
    """What is wanted; equal ones get the same messages.

    Of each filter that is given one value must fit. Stations and groups are one filter: a message that concerns
    any of them fits. `kinds` and `types` are those of events, and leave other messages alone. `commands` are the
    rights to commands whose requests may be seen. Where `sees_numbers` is false, outside numbers are masked.
    """

    topics: frozenset[str]
    hosts: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    scope: Scope = EVERYTHING
    commands: frozenset[str] = frozenset()
    sees_numbers: bool = True

    def has(self, message: Message) -> bool:
        """Tell whether a message is wanted and may be seen."""
        if self.topics.isdisjoint(message.topics) or (self.hosts and message.host not in self.hosts):
            return False
        if message.name in _ABOUT_A_HOST:
            return self.scope.has(message.host, self.scope.stations, self.scope.groups)
        if message.name == "event" and not self._has_event(message):
            return False
        if message.name == "request" and not allows(self.commands, COMMANDS + message.command):
            return False
        stations = message.stations
        if self.scope is not EVERYTHING and not self.scope.has(message.host, stations, message.groups):
            return False
        is_narrow = bool(self.stations or self.groups) and not message.data.get("is_gone")
        return not is_narrow or not (
            self.stations.isdisjoint(stations) and self.groups.isdisjoint(message.groups)
        )

    def still_has(self, name: str, host: str, data: Document) -> bool:
        """Tell whether a message that was wanted once, by its name, host and content, may be seen still."""
        if name == "request":
            return allows(self.commands, f"{COMMANDS}{data.get('command', '')}")
        if self.scope is EVERYTHING or name in _OF_NOBODY:
            return True
        if name in _ABOUT_A_HOST:
            return self.scope.has(host, self.scope.stations, self.scope.groups)
        return self.scope.has(
            host, collect(data, ("station", "stations")), collect(data, ("group", "groups"))
        )

    def _has_event(self, message: Message) -> bool:
        return (not self.kinds or message.kind in self.kinds) and (
            not self.types or message.type in self.types
        )
