"""What is true now as lines of words; what may no longer be so is never shown as if it were."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ipecs_mw.cli.calls.words import Document, name_state, shorten_id, spell_seconds
from ipecs_mw.cli.printing.table import screen_width, write_rows
from ipecs_mw.cli.printing.words import local_time, local_zone
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.store.calls.live_query import Live, LiveHost

_GROUP_COLUMNS = {"group": 10, "waiting": 9, "longest": 12, "ringing": 9}
_STATION_COLUMNS = {"station": 8, "agent": 10, "groups": 12, "state": 24, "since": 10}
_NOTHING = "–"


def describe_live(live: Live, texts: Texts, now: datetime, *, group: str | None = None) -> Iterator[str]:
    """Yield for each host how old what is known of it is, then its groups and its stations.

    `group` is the only one that was asked for.
    """
    if live.reader.state != "running":
        yield texts.render(f"cli.reader.{live.reader.state}", at=local_time(live.reader.told_at) or "–")
        yield ""
    for place, host in enumerate(live.hosts):
        items = [item for item in live.items if item["host"] == host.host]
        if place:
            yield ""
        yield from _describe_host(host, items, texts, now)
        yield from _write_groups([item for item in items if item["kind"] == "group"], host, texts, now)
        yield from _write_stations([item for item in items if item["kind"] == "station"], host, texts, now)
    if not live.items:
        yield texts.render(
            "cli.live.none" if group is None else "cli.live.no_group", group=escape(group or "")
        )


def _describe_host(host: LiveHost, items: Sequence[Document], texts: Texts, now: datetime) -> Iterator[str]:
    """Yield whether what follows is so now, and if not, why and since when."""
    name = escape(host.host)
    if not host.is_stale and host.heard_at is not None:
        ago = spell_seconds((now - host.heard_at).total_seconds())
        yield texts.render("cli.live.fresh", host=name, ago=ago)
    elif host.is_stale:
        at = local_time(host.heard_at) or _NOTHING
        yield texts.render("cli.live.stale", host=name, at=at, zone=local_zone(now))
        facts = {"host": name, "seconds": f"{host.behind_seconds or 0:.0f}"}
        for reason in host.reasons:
            if reason in ("session_down", "behind", "catching_up"):
                yield "  " + texts.render(f"cli.live.{reason}", **facts)
    if host.gap_at is not None and any(map(_is_unsure, items)):
        yield "  " + texts.render("cli.live.gap", at=local_time(host.gap_at), zone=local_zone(now))


def _is_unsure(item: Document) -> bool:
    """Tell whether something of a station, an agent or a group has not been seen since a gap."""
    return item.get("state") == "unknown" or item.get("unseen", 0) > 0


def _write_groups(groups: Sequence[Document], host: LiveHost, texts: Texts, now: datetime) -> Iterator[str]:
    if not groups:
        return
    head = [texts.render(f"cli.live.{name}") for name in (*_GROUP_COLUMNS, "agents")]
    rows = [
        (
            escape(str(group["group"])),
            _spell_waiting(group, host, texts),
            _spell_since(group.get("longest_wait_since"), host, now),
            _NOTHING if host.is_stale else str(group.get("ringing", 0)),
            _count_agents(group.get("agents") or {}, host, texts),
        )
        for group in groups
    ]
    yield ""
    yield from write_rows(head, rows, screen_width(), widest=list(_GROUP_COLUMNS.values()))


def _spell_waiting(group: Document, host: LiveHost, texts: Texts) -> str:
    """Return how many calls wait; of how many that is not sure since a gap, with a question mark."""
    waiting, unseen = group.get("waiting", 0), group.get("unseen", 0)
    if host.is_stale:
        return texts.render("cli.live.was", state=waiting)
    return f"{waiting} ({unseen} ?)" if unseen else str(waiting)


def _count_agents(agents: Mapping[str, int], host: LiveHost, texts: Texts) -> str:
    if host.is_stale:
        return _NOTHING
    return ", ".join(f"{count} {texts.render(f'cli.state.{state}')}" for state, count in agents.items())


def _write_stations(
    stations: Sequence[Document], host: LiveHost, texts: Texts, now: datetime
) -> Iterator[str]:
    if not stations:
        return
    head = [texts.render(f"cli.live.{name}") for name in (*_STATION_COLUMNS, "call")]
    rows = [
        (
            escape(str(station["station"])),
            escape(str(station.get("agent", ""))),
            escape(", ".join(map(str, station.get("groups") or ()))),
            _spell_state(station, host, texts),
            _spell_since(station.get("since"), host, now),
            "" if host.is_stale else shorten_id(escape(str(station.get("call", "")))),
        )
        for station in stations
    ]
    yield ""
    yield from write_rows(head, rows, screen_width(), widest=list(_STATION_COLUMNS.values()))


def _spell_state(station: Document, host: LiveHost, texts: Texts) -> str:
    state = name_state(station, texts)
    return texts.render("cli.live.was", state=state) if host.is_stale else state


def _spell_since(since: datetime | None, host: LiveHost, now: datetime) -> str:
    """Return for how long it is so; a duration that nobody knows does not grow."""
    if since is None or host.is_stale:
        return _NOTHING
    return spell_seconds((now - since).total_seconds())
