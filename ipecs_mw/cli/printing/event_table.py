"""Events as a table in words."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, islice

from ipecs_mw.cli.printing.output import Event
from ipecs_mw.cli.printing.table import AHEAD, cell_len, is_narrow_screen, screen_width, write_rows
from ipecs_mw.cli.printing.words import describe_event, local_time, local_zone, name_event
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

_YEAR = len("2026-")
_WIDEST_EVENT, _NARROW_EVENT = 26, 20

# column → its most cells, and what stands in it
_COLUMNS: dict[str, tuple[int, Callable[[Event, Texts], str]]] = {
    "time": (19, lambda event, _: local_time(event.get("received_at"))),
    "host": (12, lambda event, _: _spell(event.get("host"))),
    "event": (_WIDEST_EVENT, name_event),
    "call": (8, lambda event, _: _spell(event.get("call_ref"))),
    "stations": (11, lambda event, _: ", ".join(event.get("stations") or ())),
    "group": (6, lambda event, _: _spell(event.get("group"))),
}


def write_table(
    events: Iterable[Event], texts: Texts, *, now: datetime, is_live: bool = False
) -> Iterator[str]:
    """Yield a head, which names the zone of the times, and a line an event.

    A narrow screen has no year, no group, and no host where there is but one: they are among the details then,
    a host where it is another than the first event's.
    """
    rest = iter(events)
    ahead = [] if is_live else list(islice(rest, AHEAD))
    width = screen_width()
    is_narrow = is_narrow_screen(width)
    hosts = {event.get("host") for event in ahead}
    hidden = ({"group"} | ({"host"} if len(hosts) <= 1 else set())) if is_narrow else set()
    shown = {name: column for name, column in _COLUMNS.items() if name not in hidden}
    usual = {"group": None}

    def spell(event: Event) -> tuple[str, ...]:
        usual.setdefault("host", event.get("host"))
        cells = [escape(read(event, texts)) for _, read in shown.values()]
        aside = [name for name in ("host", "group") if name in hidden and event.get(name) != usual[name]]
        more = [f"{texts.render(f'cli.events.{name}')}: {_spell(event.get(name))}" for name in aside]
        details = ", ".join(part for part in (describe_event(event, texts), *map(escape, more)) if part)
        return (cells[0][_YEAR if is_narrow else 0 :], *cells[1:], details)

    time = f"{texts.render('cli.events.time')} ({local_zone(now)})"
    head = (time, *(texts.render(f"cli.events.{name}") for name in (*list(shown)[1:], "details")))
    narrow = {"time": 19 - _YEAR, "event": _NARROW_EVENT} if is_narrow else {}
    widest = [
        max(narrow.get(name, most), cell_len(title))
        for title, (name, (most, _)) in zip(head, shown.items(), strict=False)
    ]
    yield from write_rows(head, map(spell, chain(ahead, rest)), width, widest=widest, is_live=is_live)


def _spell(value: object) -> str:
    return "" if value is None else str(value)
