"""Values → words for people: events, times; safe to print on a terminal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ipecs_mw.model.contents import Difference
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import read_json

_CODE_TABLES = {"acd": "acd_events", "call": "call_events", "presence": "call_events"}
_DETAILS_SHOWN = 6
# pairs of fields that tell between whom it is; the first pair that is there counts
_PARTIES = (
    ("source_number", "dest_number"),
    ("calling_dn", "called_dn"),
    ("transferor_dn", "transfer_to_dn"),
)
# who called: told first, and without a label
_CALLERS = ("caller_number", "caller_name", "number1", "number2")
_INSTANTS = ("since", "until")
# what people look for first; the rest follows as it comes
_FIRST = ("reason", *_INSTANTS, "direction", "duration_seconds", "station_number", "co_number")
# told by another column, or by the word of another field
_HIDDEN = frozenset({"source_type", "dest_type", "device_number", "service_dn", "cause_msg", "group"})


def local_time(at: datetime | None) -> str:
    """Return an instant in this machine's zone, to the second."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def describe_difference(difference: Difference, texts: Texts) -> str:
    """Return a place with what stood there and what stands there now."""
    path, before, after = difference
    return escape(f"{path}: {texts.say(before)} -> {texts.say(after)}")


def local_zone(at: datetime) -> str:
    """Return the names of this machine's zone in the year of an instant: `UTC+08`, or `CET/CEST`."""
    names = dict.fromkeys(datetime(at.year, month, 1, tzinfo=UTC).astimezone().tzname() for month in (1, 7))
    return "/".join(f"UTC{name}" if name and name[0] in "+-" else str(name) for name in names)


def name_event(event: Mapping[str, Any], texts: Texts) -> str:
    """Return the words for an event's type."""
    kind, name = str(event.get("kind")), str(event.get("type"))
    if kind == "system":
        return texts.render(f"system.{name}") if f"system.{name}" in texts else name
    if kind not in _CODE_TABLES:
        return texts.render(f"kind.{kind}") + ("" if name == kind else f" ({name})")
    code = event.get("code") if kind == "acd" else name
    return texts.word(_CODE_TABLES[kind], code, name)


def describe_event(event: Mapping[str, Any], texts: Texts) -> str:
    """Return what else an event says, in a line: who called, between whom it is, then the other facts."""
    data = event.get("data") or {}
    parties = next((pair for pair in _PARTIES if any(map(data.get, pair))), ())
    words = {_name_word(name) for name in data} & data.keys()
    names = [name for name in data if name not in (*_HIDDEN, *_CALLERS, *parties) and name not in words]
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    facts = {**data, "host": event.get("host", "")}
    parts = [
        *(data[name] for name in _CALLERS if name in data),
        *_spell_parties([str(data.get(name) or "") for name in parties], event.get("stations") or ()),
        *(_spell_fact(name, facts, texts) for name in names[:_DETAILS_SHOWN]),
        *(event.get("problems") or ()),
    ]
    return escape(", ".join(map(str, parts)))


def _spell_parties(parties: Sequence[str], stations: Sequence[str]) -> list[str]:
    """Return who with whom; nothing where it is one station alone, which has a column of its own."""
    if not parties or (not parties[1] and parties[0] in stations):
        return []
    source, dest = parties
    return [f"{source or '·'} → {dest}" if dest else source]


def _spell_fact(name: str, facts: Mapping[str, Any], texts: Texts) -> str:
    """Return a field with its label and, where its value has one, its word, in the language of `texts`."""
    value, word = facts[name], facts.get(_name_word(name))
    table = _find_lookups().get(name)
    if table is not None and isinstance(value, int | str):
        value = texts.word(table, value, word)
    elif word is not None:
        value = word
    elif name in _INSTANTS:
        value = _spell_instant(value)
    label = texts.render(f"field.{name}") if f"field.{name}" in texts else name
    return f"{label}: {value}"


def _spell_instant(value: Any) -> str:
    try:
        return local_time(datetime.fromisoformat(str(value)))
    except ValueError:
        return str(value)


def _name_word(name: str) -> str:
    return f"{name.removesuffix('_code')}_name"


@cache
def _find_lookups() -> Mapping[str, str]:
    """Return field → the table with the words of its values, as it ships."""
    codes = read_json("codes.json")
    rows = [row[wire] for row in codes["acd_events"] for wire in ("data1", "data2") if wire in row]
    rows += codes["call_fields"] + codes["smdr_fields"]
    return {row["name"]: row["lookup"] for row in rows if "lookup" in row}
