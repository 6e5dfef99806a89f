"""What most events of a kind have wrong in common: not an event's fault then, but a setting that is missing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_FEWEST_EVENTS = 20
_WINDOW_EVENTS = 100
_MOST_PROBLEMS = 8  # of an event that are looked at: a host decides how many there are


class Shared(NamedTuple):
    """A problem that more than half of the events of a kind have."""

    kind: str
    problem: str
    percent: int


def find_shared(events: Iterable[Mapping[str, Any]]) -> Iterator[Shared]:
    """Yield what most of these documents of events share, kind by kind; of a few nothing can be said."""
    kinds: Counter[str] = Counter()
    problems: Counter[tuple[str, str]] = Counter()
    for event in events:
        kind = event["kind"]
        kinds[kind] += 1
        problems.update((kind, problem) for problem in set(list(event.get("problems", ()))[:_MOST_PROBLEMS]))
    for (kind, problem), count in sorted(problems.items()):
        if kinds[kind] >= _FEWEST_EVENTS and 2 * count > kinds[kind]:
            yield Shared(kind, problem, round(100 * count / kinds[kind]))


class Problems:
    """Follows the events of one host, and tells each problem once, until most events are without it."""

    def __init__(self) -> None:
        self._windows: defaultdict[str, list[Sequence[str]]] = defaultdict(list)
        self._told: set[tuple[str, str]] = set()

    def note(self, documents: Sequence[Mapping[str, Any]]) -> list[Shared]:
        """Return what is to be told after these events too."""
        found: list[Shared] = []
        for document in documents:
            kind = document["kind"]
            window = self._windows[kind]
            window.append(document.get("problems", ())[:_MOST_PROBLEMS])
            if len(window) == _WINDOW_EVENTS:
                found += self._judge(kind, window)
                window.clear()
        return found

    def _judge(self, kind: str, window: Sequence[Sequence[str]]) -> list[Shared]:
        shared = list(find_shared({"kind": kind, "problems": each} for each in window)) if any(window) else []
        fresh = [each for each in shared if (kind, each.problem) not in self._told]
        self._told = {told for told in self._told if told[0] != kind} | {
            (kind, each.problem) for each in shared
        }
        return fresh
