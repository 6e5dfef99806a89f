"""The live view: what stations do right now, and the last events; how it is drawn."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ipecs_mw.cli.calls.words import Document, name_state, shorten_id
from ipecs_mw.cli.printing.words import describe_event, local_time, name_event
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.store.calls.live_query import Live

_RATE_SECONDS = 5.0
_KEPT_EVENTS = 200  # more than a screen has lines
_WIDE = 110
_HEAD_LINES, _FRAME_LINES = 3, 2

_STYLES = {
    "talking": "bold green",
    "busy_other": "bold green",
    "ringing": "bold yellow",
    "holding": "yellow",
    "wrap_up": "cyan",
    "ready": "green",
}


class Picture:
    """The events so far: how many, how fast, and the last ones."""

    def __init__(self) -> None:
        self.total = 0
        self.recent: deque[Mapping[str, Any]] = deque(maxlen=_KEPT_EVENTS)
        self._arrivals: deque[float] = deque()

    def add(self, event: Mapping[str, Any], now: float) -> None:
        """Take an event into the picture; `now` is monotonic, in seconds."""
        self.total += 1
        self.recent.append(event)
        self._arrivals.append(now)

    def rate(self, now: float) -> float:
        """Return the events a second over the last five seconds."""
        while self._arrivals and self._arrivals[0] < now - _RATE_SECONDS:
            self._arrivals.popleft()
        return len(self._arrivals) / _RATE_SECONDS


def find_stations(live: Live) -> list[Document]:
    """Return what is known of the stations, by their number."""
    return sorted(
        (item for item in live.items if item["kind"] == "station"), key=lambda item: str(item["station"])
    )


def draw(
    picture: Picture,
    stations: Sequence[Document],
    host: Mapping[str, Any],
    now: float,
    texts: Texts,
    size: tuple[int, int],
) -> RenderableType:
    """Return the whole view: connection, rates, stations, the last events in words.

    It fits `size`, in columns and lines: side by side where there is room, else one above the other; as many
    events as there are lines for.
    """
    width, height = size
    left = height - _HEAD_LINES - 1  # the cursor has the last line
    if width >= _WIDE:
        body = Table.grid(expand=True, padding=(0, 1))
        body.add_column(ratio=2)
        body.add_column(ratio=5)
        body.add_row(
            _draw_stations(stations, texts, left - _FRAME_LINES - 1),
            _draw_events(picture, texts, left - _FRAME_LINES),
        )
        return Group(_draw_head(picture, stations, host, now, texts), body)
    shown = min(len(stations), max(left // 3 - 1, 1))
    events = _draw_events(picture, texts, left - (shown + 1 + _FRAME_LINES) - _FRAME_LINES)
    return Group(
        _draw_head(picture, stations, host, now, texts), _draw_stations(stations, texts, shown), events
    )


def _draw_head(
    picture: Picture, stations: Sequence[Document], host: Mapping[str, Any], now: float, texts: Texts
) -> RenderableType:
    state = str(host.get("state", "offline"))
    head = Table.grid(expand=True, padding=(0, 1))
    for _ in range(4):
        head.add_column(no_wrap=True)
    head.add_row(
        Text(f"● {texts.render(f'state.{state}')}", "bold green" if state == "up" else "bold red"),
        Text(texts.render("demo.rate", rate=f"{picture.rate(now):.1f}")),
        Text(texts.render("demo.total", total=picture.total)),
        Text(texts.render("demo.calls", calls=_count_busy(stations))),
    )
    return Panel(head, title="ipecs-mw")


def _count_busy(stations: Sequence[Document]) -> int:
    return sum("call" in station for station in stations)


def _draw_stations(stations: Sequence[Document], texts: Texts, most: int) -> RenderableType:
    """Return the stations by number; the busy ones first where there are too many."""
    table = Table(box=None, expand=True, pad_edge=False)
    for name in ("station", "agent", "state", "call"):
        table.add_column(texts.render(f"cli.live.{name}"), no_wrap=True)
    first = sorted(stations, key=lambda station: "call" not in station)[: max(most, 0)]
    for station in sorted(first, key=lambda station: str(station["station"])):
        state, is_stale = name_state(station, texts), station["is_stale"]
        table.add_row(
            Text(escape(str(station["station"]))),
            Text(escape(str(station.get("agent", "")))),
            Text(
                texts.render("cli.live.was", state=state) if is_stale else state,
                "dim" if is_stale else _STYLES.get(station["state"], ""),
            ),
            "" if is_stale else shorten_id(escape(str(station.get("call", "")))),
        )
    return Panel(table, title=texts.render("demo.agents"))


def _draw_events(picture: Picture, texts: Texts, most: int) -> RenderableType:
    """Return the last events, the newest first, a line each."""
    events = Table(box=None, expand=True, pad_edge=False, show_header=False)
    events.add_column(width=8, no_wrap=True)
    events.add_column(ratio=5, no_wrap=True)
    events.add_column(ratio=2, no_wrap=True)
    events.add_column(ratio=6, no_wrap=True)
    for event in islice(reversed(picture.recent), max(most, 0)):
        stamp = local_time(event.get("received_at"))[11:]
        names = ", ".join(event.get("stations") or ())
        events.add_row(
            stamp,
            Text(escape(name_event(event, texts))),
            Text(escape(names)),
            Text(describe_event(event, texts)),
        )
    return Panel(events, title=texts.render("demo.events"))


def summarise(
    picture: Picture, stations: Sequence[Document], host: Mapping[str, Any], now: float, texts: Texts
) -> str:
    """Return the view in one line, where there is no terminal."""
    last = picture.recent[-1] if picture.recent else None
    return texts.render(
        "demo.line",
        state=texts.render(f"state.{host.get('state', 'offline')}"),
        total=picture.total,
        rate=f"{picture.rate(now):.1f}",
        calls=_count_busy(stations),
        last=name_event(last, texts) if last else "–",
    )
