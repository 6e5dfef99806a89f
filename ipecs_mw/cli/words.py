"""Values → words for people: events, times, durations; safe to print on a terminal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ipecs_mw.model.plain import escape
from ipecs_mw.model.texts import Texts

_CODE_TABLES = {"acd": "acd_events", "call": "call_events", "presence": "call_events"}
_DETAILS_SHOWN = 6
_HIDDEN = frozenset(
    {"source_type", "dest_type", "source_number", "dest_number", "device_number", "service_dn"}
)


def local_time(at: datetime | None) -> str:
    """Return an instant in this machine's zone, to the second."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def name_event(event: Mapping[str, Any], texts: Texts) -> str:
    """Return the words for an event's type."""
    kind, name = str(event.get("kind")), str(event.get("type"))
    if kind == "system":
        return texts.render(f"system.{name}") if f"system.{name}" in texts else name
    if kind not in _CODE_TABLES:
        return texts.render(f"kind.{kind}") + ("" if name == kind else f" ({name})")
    code = event.get("code") if kind == "acd" else name
    return texts.word(_CODE_TABLES[kind], code, name)


def describe_event(event: Mapping[str, Any]) -> str:
    """Return what else an event says, in a line."""
    parts = []
    data = event.get("data") or {}
    source, dest = data.get("source_number"), data.get("dest_number")
    if source or dest:
        parts.append(f"{source or '·'} → {dest}" if dest else str(source))
    shown = [
        (n, v) for n, v in data.items() if n not in _HIDDEN and f"{n.removesuffix('_code')}_name" not in data
    ]
    parts += [f"{name.removesuffix('_name')}={value}" for name, value in shown[:_DETAILS_SHOWN]]
    parts += event.get("problems") or ()
    return escape("  ".join(map(str, parts)))
