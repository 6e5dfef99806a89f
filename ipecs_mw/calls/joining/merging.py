"""The steps of calls that turn out to be one, in order, each event once."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from ipecs_mw.calls.joining.index import Joined
from ipecs_mw.calls.steps import verbs
from ipecs_mw.calls.steps.steps import Step


def merge_steps(calls: Iterable[Joined]) -> list[Step]:
    """Return what was told of calls that become one; what an event means for another call gives way."""
    steps: dict[tuple[Any, str], Step] = {}
    for step in (step for call in calls for step in _list_told(call)):
        if step.ref is not None or step.trunks or (step.order, step.event_id) not in steps:
            steps[step.order, step.event_id] = step
    return [steps[key] for key in sorted(steps)]


def _list_told(call: Joined) -> Iterator[Step]:
    """Yield what was told of a call; what names no reference gets one, so that its line stays apart."""
    own = next(iter(call.refs), None)
    ref = -1 - int(call.id.rpartition(":")[2], 16) if own is None else own
    for step in call.course.steps:
        if step.ref is None and step.verb in verbs.REFERENCED:
            yield replace(step, ref=ref)
        elif step.verb not in verbs.INFERRED:
            yield step
