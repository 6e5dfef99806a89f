"""What is read of a frame's fields: each value by a row of the code tables, and what was wrong with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.model.configuration.formats import FormatSettings
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.values import (
    PADDING,
    READERS,
    Odd,
    Reader,
    read_amount,
    read_digits,
    read_int,
    read_text,
    to_snake,
)

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]

NOT_FITTING = (ValueError, TypeError, OverflowError)
"""What a reader raises for a value that does not fit."""

_UNHASHABLE = (list, dict)
_MOST_INT = 1 << 63
_MOST_TYPE_CHARACTERS = 64  # of a type that no table knows
_PARTIES = (
    ("sourceType", "sourceNumber", "source_type", "source_number"),
    ("destType", "destNumber", "dest_type", "dest_number"),
)
"""Kind and number of each party of an ACD event: on the wire, and as we name them."""


class Field:
    """How one field of the wire is read: our name, the reader, the table of its words, its role."""

    __slots__ = (
        "is_amount",
        "is_party",
        "is_plain",
        "is_simple",
        "is_text",
        "name",
        "read",
        "role",
        "word_name",
        "words",
    )

    def __init__(self, row: Row, tables: Tables) -> None:
        self.name: str = row["name"]
        self.read: Reader = READERS[row["as"]]
        self.is_text = self.read in (read_text, read_digits)
        self.is_amount = row["as"] == "amount"
        self.role: str | None = row.get("role") or ("station" if row["as"] == "station" else None)
        self.word_name = self.name.removesuffix("_code") + "_name"
        self.words = {entry["code"]: entry["name"] for entry in tables.get(row.get("lookup", ""), ())}
        self.is_party = self.role == "party"
        self.is_plain = self.role in (None, "party") and not self.words and not self.is_amount
        self.is_simple = self.is_text and self.is_plain


class Found(Struct):
    """What was read of a frame so far."""

    received_at: datetime
    formats: FormatSettings
    problems: list[str]
    at: datetime | None = None
    call_ref: int | None = None
    code: int | None = None
    serial: int | None = None
    group: str | None = None
    data: dict[str, Any] = {}
    stations: dict[str, None] = {}  # a set that keeps its order
    parties: list[Any] = []  # who else is told of

    def read_int(self, wire: str, value: Any) -> int | None:
        """Return a whole number as `read_int` does; None, with a note, where there is none."""
        if type(value) is int and 0 <= value < _MOST_INT:  # nearly all of them
            return value
        number: int | None = self.read(wire, read_int, value)
        return number

    def read_text(self, wire: str, value: Any) -> str | None:
        """Return a text as `read_text` does; None, with a note, where there is none."""
        if type(value) is str:  # nearly all of them
            return value.strip(PADDING) or None
        text: str | None = self.read(wire, read_text, value)
        return text

    def read(self, wire: str, reader: Reader, value: Any) -> Any:
        """Return what `reader` makes of the value; None, with a note, where it does not fit."""
        if value is None:
            return None
        try:
            return reader(value)
        except NOT_FITTING as error:
            self.note(wire, error)
            return None

    def note(self, wire: str, error: Exception) -> None:
        """Note that a field has a value that does not fit."""
        self.problems.append(f"{wire}: {error if isinstance(error, Odd) else 'unexpected value'}")

    def add_amount(self, wire: str, name: str, text: str) -> None:
        """Add the amount of a text and its currency beside it."""
        amount = self.read(wire, lambda text: read_amount(text, self.formats.decimal), text)
        if amount is not None:
            self.data[f"{name}_amount"] = amount[0]
            if amount[1]:
                self.data[f"{name}_currency"] = amount[1]

    def add(self, wire: str, field: Field, value: Any) -> None:
        """Add what a field says; what stands in `data` under its name is the last that said something."""
        if field.is_text and type(value) is str:  # nearly all of them
            ours: Any = value.strip(PADDING)
            if not ours:
                return
        else:
            try:
                ours = field.read(value)
            except NOT_FITTING as error:
                self.note(wire, error)
                return
            if ours is None:
                return
        if field.is_plain:
            self.data[field.name] = ours
            if field.is_party:
                self.parties.append(ours)
        elif field.role == "station" and type(ours) is str:
            self.data[field.name] = ours
            self.stations[ours] = None
        elif field.role == "call_ref":
            self.call_ref = ours
        elif field.role == "serial":
            self.serial = ours
        else:
            self._add_special(wire, field, ours)

    def _add_special(self, wire: str, field: Field, ours: Any) -> None:
        self.data[field.name] = ours
        if field.role == "station":
            self.add_stations(ours)
        elif field.role == "group":
            self.group = ours
        if field.words and not isinstance(ours, _UNHASHABLE) and ours in field.words:
            self.data[field.word_name] = field.words[ours]
        if field.is_amount:
            self.add_amount(wire, field.name, ours)

    def add_all(self, fields: Mapping[str, Field], data: Mapping[str, Any], skip: str | None = None) -> None:
        """Add what each field of an object says, also one that no table knows, but not `skip`."""
        for wire, value in data.items():
            field = fields.get(wire)
            if field is not None:
                if field.is_simple and type(value) is str:  # what `add` does for nearly all of them
                    if ours := value.strip(PADDING):
                        self.data[field.name] = ours
                        if field.is_party:
                            self.parties.append(ours)
                else:
                    self.add(wire, field, value)
            elif wire != skip and (ours := self.read(wire, READERS["any"], value)) is not None:
                self.data.setdefault(to_snake(wire) or wire, ours)
        self.add_extensions()

    def add_stations(self, numbers: Any) -> None:
        """Add one station or several."""
        # an edited code table may have a number read as something else than digits
        for number in numbers if isinstance(numbers, list) else (numbers,):
            self.stations[str(number)] = None

    def add_extensions(self) -> None:
        """Add the parties that can be extensions: digits, no longer than the event's own terminal number."""
        if not self.parties:
            return
        longest = max(map(len, self.stations), default=4)
        for party in self.parties:
            for each in party if isinstance(party, list) else (party,):
                number = str(each)
                if len(number) <= longest and number.isdecimal():
                    self.stations[number] = None

    def add_parties(self, data: Mapping[str, Any]) -> None:
        """Add source and destination of an ACD event: each a station, a trunk (CO) or a bare number."""
        for wire_kind, wire_number, kind_name, number_name in _PARTIES:
            kind = self.read_text(wire_kind, data.get(wire_kind))
            number = self.read_text(wire_number, data.get(wire_number))
            if kind is not None:
                self.data[kind_name] = kind = kind.lower()
            if number is not None:
                self.data[number_name] = number
                if kind == "station":
                    self.stations[number] = None

    def finish(self, kind: str, name: str, raw: Any) -> Event:
        """Return the event of what was read."""
        return Event(
            kind,
            name[:_MOST_TYPE_CHARACTERS],
            self.received_at,
            raw,
            self.code,
            self.at,
            self.call_ref,
            self.serial,
            tuple(self.stations),
            self.group,
            self.data,
            tuple(self.problems),
        )
