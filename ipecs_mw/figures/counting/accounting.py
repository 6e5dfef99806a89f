"""Calls → what call accounting gives: by station, department, trunk, DID, or number that was called.

A call is counted by its beginning. With a station it counts once: as one that it made, as one that it took, or as
one that rang there and that nobody took. A phone whose call was taken elsewhere has missed nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ipecs_mw.figures.counting.sums import Sums, add
from ipecs_mw.figures.counting.visits import measure_talk

Call = Mapping[str, Any]
Parts = Iterator[tuple[str, Sums]]
Key = TypeVar("Key")

_RINGS = frozenset({"ring", "recall"})
_TALKS = frozenset({"talk", "conference", "consult", "held"})
_SIDES = {"inbound": "incoming", "outbound": "outgoing", "tandem": "incoming"}
_TRUNK = "CO"
_COMES_IN = frozenset({"inbound", "tandem"})


_ANSWERED = frozenset({"answered", "lost_on_hold"})
"""Outcomes of calls that somebody answered."""


def is_answered(call: Call) -> bool:
    """Tell whether somebody answered a call; call records alone do not tell when."""
    return "answered_at" in call or call.get("outcome") in _ANSWERED


def _sum_call(call: Call, side: str) -> Sums:
    return {"calls": 1, side: 1, "answered" if is_answered(call) else "unanswered": 1}


def _name_side(call: Call) -> str:
    direction = str(call.get("direction", "unknown"))
    return _SIDES.get(direction, direction)


def find_cost(call: Call) -> float:
    """Return what a call cost, by its call records."""
    return sum(_read_cost(record) for record in call.get("records") or ())


def _read_cost(record: Mapping[str, Any]) -> float:
    try:
        return float(str(record.get("cost_amount") or 0))
    except ValueError:
        return 0.0


def count_stations(call: Call) -> Parts:
    """Yield what a call counts for each station that made it, took it, or rang."""
    if not call.get("segments"):
        yield from _count_recorded(call)
        return
    segments = [each for each in call["segments"] if each.get("station")]
    talked = {each["station"] for each in segments if each["kind"] in _TALKS}
    rang = {each["station"] for each in segments if each["kind"] in _RINGS}
    caller, side = (call.get("caller") or {}).get("station", ""), _name_side(call)
    costs = _share_costs(call, caller)
    for station in sorted({caller, *talked, *rang} - {""}):
        if station == caller:
            sums = _sum_call(call, side)
        elif station in talked:
            sums = {"calls": 1, side: 1, "answered": 1}
        elif not is_answered(call):
            sums = {"calls": 1, side: 1, "unanswered": 1}
        else:
            continue
        if station in talked:
            sums["talk_seconds"] = measure_talk(segments, station)
        yield station, sums | {"cost": costs.get(station, 0.0)}


def _count_recorded(call: Call) -> Parts:
    """Yield what a call of call records alone counts: each is of what one station did in it."""
    found: dict[str, Sums] = {}
    for record in call.get("records") or ():
        station = str(record.get("station_number") or "")
        if not station or station.startswith(_TRUNK):
            continue
        seconds = float(record.get("duration_seconds") or 0) if is_answered(call) else 0.0
        sums = found.setdefault(station, _sum_call(call, _name_side(call)))
        add(sums, {"talk_seconds": seconds, "cost": _read_cost(record)})
    yield from found.items()


def _share_costs(call: Call, caller: str) -> Mapping[str, float]:
    """Return what each station's call records say that it cost."""
    costs: dict[str, float] = {}
    for record in call.get("records") or ():
        payer = str(record.get("station_number") or caller)
        costs[payer] = costs.get(payer, 0.0) + _read_cost(record)
    return costs


def count_trunks(call: Call) -> Parts:
    """Yield what a call counts for each trunk that it used, and for how long."""
    trunks = call.get("trunks") or ()
    if not trunks:
        return
    ended = call.get("ended_at")
    seconds = 0.0 if ended is None else (ended - call["began_at"]).total_seconds()
    for trunk in trunks:
        sums = _sum_call(call, _name_side(call)) | {
            "seconds": seconds,
            "cost": find_cost(call) / len(trunks),
        }
        yield trunk, sums


def count_dids(call: Call) -> Parts:
    """Yield what a call counts for the number that was dialled from outside."""
    did = (call.get("dialed") or {}).get("did")
    if did and call.get("direction") in _COMES_IN:
        yield str(did), _sum_call(call, "incoming") | _sum_times(call)


def count_numbers(call: Call) -> Parts:
    """Yield what a call counts for the number outside that was called."""
    number = (call.get("dialed") or {}).get("number")
    if number and call.get("direction") == "outbound":
        yield str(number), _sum_call(call, "outgoing") | _sum_times(call)


def _sum_times(call: Call) -> Sums:
    seconds = call.get("seconds") or {}
    return {
        "talk_seconds": seconds.get("talk", 0.0),
        "seconds": seconds.get("total", 0.0),
        "cost": find_cost(call),
    }


def sum_by(parts: Iterable[tuple[Key, Sums]]) -> dict[Key, Sums]:
    """Return the sums by what they are of."""
    found: dict[Key, Sums] = {}
    for name, sums in parts:
        add(found.setdefault(name, {}), sums)
    return found
