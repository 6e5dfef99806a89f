"""The live view: what the events say of agents and calls right now, and how it is drawn."""

from collections import Counter, deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ipecs_mw.cli.words import describe_event, local_time, name_event
from ipecs_mw.model.plain import escape
from ipecs_mw.model.texts import Texts

_RATE_SECONDS = 5.0
_KEPT_EVENTS = 200  # more than a screen has lines
_WIDE = 110
_HEAD_LINES, _FRAME_LINES = 3, 2

# ACD code → what it makes of the station at its source; None: back to what its agent does
_STATION_STATES: Mapping[int, str | None] = {
    11: "ready",
    12: "logged_out",
    13: "unavailable",
    14: "ready",
    15: "wrap_up",
    16: "ready",
    17: "talking",
    18: None,
    42: "talking",
    49: "on_hold",
    66: "ringing",
    82: "out_of_service",
    84: "in_service",
}
_AGENT_STATES = frozenset({"ready", "logged_out", "unavailable", "wrap_up", "out_of_service", "in_service"})
_CALL_ENDS = frozenset({2, 43, 44})
_STYLES = {
    "talking": "bold green",
    "ringing": "bold yellow",
    "on_hold": "yellow",
    "wrap_up": "cyan",
    "ready": "green",
}


class Picture:
    """What the events so far add up to."""

    def __init__(self) -> None:
        self.total = 0
        self.kinds: Counter[str] = Counter()
        self.agents: dict[str, str] = {}
        self.busy: dict[str, tuple[str, int | None]] = {}
        self.calls: set[int] = set()
        self.recent: deque[Mapping[str, Any]] = deque(maxlen=_KEPT_EVENTS)
        self._arrivals: deque[float] = deque()

    def add(self, event: Mapping[str, Any], now: float) -> None:
        """Take an event into the picture; `now` is monotonic, in seconds."""
        self.total += 1
        self.kinds[event["kind"]] += 1
        self.recent.append(event)
        self._arrivals.append(now)
        if event["kind"] == "acd":
            self._add_acd(event)

    def rate(self, now: float) -> float:
        """Return the events a second over the last five seconds."""
        while self._arrivals and self._arrivals[0] < now - _RATE_SECONDS:
            self._arrivals.popleft()
        return len(self._arrivals) / _RATE_SECONDS

    def _add_acd(self, event: Mapping[str, Any]) -> None:
        code, call = event.get("code"), event.get("call_ref")
        data = event.get("data") or {}
        station = data.get("source_number") if data.get("source_type") == "station" else None
        if call is not None:
            (self.calls.discard if code in _CALL_ENDS else self.calls.add)(call)
        if station is None or not isinstance(code, int) or code not in _STATION_STATES:
            return
        state = _STATION_STATES[code]
        if state is None:
            self.busy.pop(station, None)
        elif state in _AGENT_STATES:
            self.agents[station] = state
        else:
            self.busy[station] = (state, call)


def draw(
    picture: Picture, host: Mapping[str, Any], now: float, texts: Texts, size: tuple[int, int]
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
            _draw_stations(picture, texts, left - _FRAME_LINES - 1),
            _draw_events(picture, texts, left - _FRAME_LINES),
        )
        return Group(_draw_head(picture, host, now, texts), body)
    shown = min(len(picture.agents.keys() | picture.busy.keys()), max(left // 3 - 1, 1))
    stations = _draw_stations(picture, texts, shown)
    events = _draw_events(picture, texts, left - (shown + 1 + _FRAME_LINES) - _FRAME_LINES)
    return Group(_draw_head(picture, host, now, texts), stations, events)


def _draw_head(picture: Picture, host: Mapping[str, Any], now: float, texts: Texts) -> RenderableType:
    state = str(host.get("state", "offline"))
    head = Table.grid(expand=True, padding=(0, 1))
    for _ in range(4):
        head.add_column(no_wrap=True)
    head.add_row(
        Text(f"● {texts.render(f'state.{state}')}", "bold green" if state == "up" else "bold red"),
        Text(texts.render("demo.rate", rate=f"{picture.rate(now):.1f}")),
        Text(texts.render("demo.total", total=picture.total)),
        Text(texts.render("demo.calls", calls=len(picture.busy))),
    )
    return Panel(head, title="ipecs-mw")


def _draw_stations(picture: Picture, texts: Texts, most: int) -> RenderableType:
    """Return the stations by number; the busy ones first where there are too many."""
    numbers = sorted(picture.agents.keys() | picture.busy.keys(), key=lambda n: (n not in picture.busy, n))
    stations = Table(box=None, expand=True, pad_edge=False)
    for name in ("station", "agent", "activity", "call"):
        stations.add_column(texts.render(f"demo.{name}"), no_wrap=True)
    for number in sorted(numbers[: max(most, 0)]):
        activity, call = picture.busy.get(number, ("", None))
        agent = picture.agents.get(number, "")
        stations.add_row(
            Text(escape(number)),
            Text(texts.render(f"demo.{agent}") if agent else "", _STYLES.get(agent, "")),
            Text(texts.render(f"demo.{activity}") if activity else "", _STYLES.get(activity, "")),
            "" if call is None else str(call),
        )
    return Panel(stations, title=texts.render("demo.agents"))


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


def summarise(picture: Picture, host: Mapping[str, Any], now: float, texts: Texts) -> str:
    """Return the view in one line, where there is no terminal."""
    last = picture.recent[-1] if picture.recent else None
    return texts.render(
        "demo.line",
        state=texts.render(f"state.{host.get('state', 'offline')}"),
        total=picture.total,
        rate=f"{picture.rate(now):.1f}",
        calls=len(picture.busy),
        last=name_event(last, texts) if last else "–",
    )
