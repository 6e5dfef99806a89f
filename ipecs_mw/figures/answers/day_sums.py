"""Quarter hours → days of a zone, so that a year by day needs no more documents than it has days."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ipecs_mw.figures.answers.rows import NOT_SUMS, Part, new_part, put
from ipecs_mw.figures.counting.sums import prune

Document = dict[str, Any]
Name = tuple[str, str]
"""Kind, and the name of the group or agent; that of a host is blank."""


def name_figure(document: Mapping[str, Any]) -> Name:
    """Return whose figures a document has."""
    kind = str(document["kind"])
    if kind == "agent":
        return kind, name_agent(document.get("agent"), document.get("stations") or ())
    return kind, str(document.get("group") or "")


def name_agent(agent: str | None, stations: Sequence[str]) -> str:
    """Return the name of an agent; of one whose number nobody told, where he is."""
    return agent or f"@{stations[0] if stations else ''}"


def name_day(host: str, name: Name, day: date) -> str:
    """Return the id of a document of `figure_days`."""
    return ":".join(part for part in (host, *name, f"{day:%Y-%m-%d}") if part)


def sum_day(
    quarters: Iterable[Mapping[str, Any]], host: str, day: date, since: datetime, until: datetime, zone: str
) -> list[Document]:
    """Return the documents of a day, one for each whose quarter hours are given, and always that of the host."""
    parts: dict[Name, Part] = {("host", ""): new_part()}
    for document in quarters:
        put(parts.setdefault(name_figure(document), new_part()), document)
    return [_describe(host, name, part, day, since, until, zone) for name, part in parts.items()]


def _describe(
    host: str, name: Name, part: Part, day: date, since: datetime, until: datetime, zone: str
) -> Document:
    kind, who = name
    document: Document = {
        "_id": name_day(host, name, day),
        "host": host,
        "kind": kind,
        "day": f"{day:%Y-%m-%d}",
        "zone": zone,
        "from": since,
        "until": until,
        **prune({each: value for each, value in part.sums.items() if each not in NOT_SUMS}),
        "is_complete": part.is_complete,
    }
    if kind == "group":
        document["group"] = who
    elif kind == "agent":
        document |= {"stations": sorted(part.stations), "groups": sorted(part.groups)}
        if not who.startswith("@"):
            document["agent"] = who
    return document
