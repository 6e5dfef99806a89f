"""The live view: what the events say of agents and calls right now, and how it is drawn."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ipecs_mw.cli.words import describe_event, local_time, name_event
from ipecs_mw.model.plain import escape
from ipecs_mw.model.texts import Texts

_RATE_SECONDS = 5.0
_SHOWN_EVENTS = 12
_SHOWN_STATIONS = 20

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
        self.recent: deque[Mapping[str, Any]] = deque(maxlen=_SHOWN_EVENTS)
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


def draw(picture: Picture, host: Mapping[str, Any], now: float, texts: Texts) -> RenderableType:
    """Return the whole view: connection, rates, stations, the last events in words."""
    state = str(host.get("state", "offline"))
    head = Table.grid(expand=True)
    for _ in range(4):
        head.add_column(ratio=1)
    head.add_row(
        Text(f"● {texts.render(f'state.{state}')}", "bold green" if state == "up" else "bold red"),
        Text(texts.render("demo.rate", rate=f"{picture.rate(now):.1f}")),
        Text(texts.render("demo.total", total=picture.total)),
        Text(texts.render("demo.calls", calls=len(picture.busy))),
    )
    stations = Table(box=None, expand=True, pad_edge=False)
    for name in ("station", "agent", "activity", "call"):
        stations.add_column(texts.render(f"demo.{name}"))
    for number in sorted(picture.agents.keys() | picture.busy.keys())[:_SHOWN_STATIONS]:
        activity, call = picture.busy.get(number, ("", None))
        agent = picture.agents.get(number, "")
        stations.add_row(
            Text(escape(number)),
            Text(texts.render(f"demo.{agent}") if agent else "", _STYLES.get(agent, "")),
            Text(texts.render(f"demo.{activity}") if activity else "", _STYLES.get(activity, "")),
            "" if call is None else str(call),
        )
    events = Table(box=None, expand=True, pad_edge=False, show_header=False)
    events.add_column(width=8)
    events.add_column(ratio=2, no_wrap=True)
    events.add_column(ratio=1, no_wrap=True)
    events.add_column(ratio=4, no_wrap=True)
    for event in reversed(picture.recent):
        stamp = local_time(event.get("received_at"))[11:]
        names = ", ".join(event.get("stations") or ())
        events.add_row(
            stamp, Text(name_event(event, texts)), Text(escape(names)), Text(describe_event(event, texts))
        )
    body = Table.grid(expand=True, padding=(0, 1))
    body.add_column(ratio=2)
    body.add_column(ratio=5)
    body.add_row(
        Panel(stations, title=texts.render("demo.agents")), Panel(events, title=texts.render("demo.events"))
    )
    return Group(Panel(head, title="ipecs-mw"), body)


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
