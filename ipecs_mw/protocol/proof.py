"""What shows that the host carried out a request whose reply was lost: events that only this request explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipecs_mw.model.definitions import Codes, Command, FieldEntry
from ipecs_mw.protocol.values import READERS

_HAPPEN_ANYWAY = frozenset({"released"})
"""Call events that end any call: beside others that a command causes they tell nothing."""

_FEWEST_VALUES = 2  # the station alone tells nothing: whatever is done at it causes events of it


@dataclass(frozen=True)
class Proof:
    """What an event of the log must be to show that one request was carried out.

    `station` is the terminal that acts. `call_ref` is None where the request names no call: then an event of a
    call that was there before the request shows nothing (`is_of_new_call`).
    """

    station: str
    types: frozenset[str]
    call_ref: int | None
    data: Mapping[str, Any]

    @property
    def is_of_new_call(self) -> bool:
        """Whether the call of the event must have begun after the request."""
        return self.call_ref is None

    def is_shown_by(self, event: Mapping[str, Any]) -> bool:
        """Tell whether a document of `events` is what the request causes; when it came is not looked at."""
        return (
            event.get("kind") == "call"
            and event.get("type") in self.types
            and self.call_ref in (None, event.get("call_ref"))
            and self._has_values_of(event.get("data") or {})
        )

    def is_shared_with(self, other: "Proof") -> bool:
        """Tell whether one event can show both requests."""
        refs = {self.call_ref, other.call_ref} - {None}
        both = self.data.keys() & other.data.keys()
        return (
            len(refs) < 2
            and bool(self.types & other.types)
            and all(self.data[name] == other.data[name] for name in both)
        )

    def _has_values_of(self, data: Mapping[str, Any]) -> bool:
        return all(name in data and data[name] == value for name, value in self.data.items())


def build_proof(command: Command, arguments: Any, codes: Codes) -> Proof | None:
    """Return what shows that `command` was carried out with these arguments; None where no event can.

    Every required argument that is a field of call events must be in the event, with the same value as the log
    keeps it; there must be two of them at least, the terminal among them. `arguments` may be anything.
    """
    if not isinstance(arguments, Mapping):
        return None
    types = frozenset(command.emits)
    if len(types) > 1:
        types -= _HAPPEN_ANYWAY
    values: dict[str, Any] = {}
    stations: list[str] = []
    call_ref: int | None = None
    for parameter in command.params:
        field = codes.find("call_fields", parameter.name)
        if not parameter.is_required or parameter.is_secret or not isinstance(field, FieldEntry):
            continue
        try:
            value = READERS[field.form](arguments.get(parameter.name))
        except (ValueError, TypeError, OverflowError):
            return None
        if value is None:
            return None
        if field.role == "call_ref":
            call_ref = value
            continue
        values[field.name] = value
        if isinstance(value, str) and "station" in (field.role, field.form):
            stations.append(value)
    if not types or not stations or len(values) + (call_ref is not None) < _FEWEST_VALUES:
        return None
    return Proof(stations[0], types, call_ref, values)
