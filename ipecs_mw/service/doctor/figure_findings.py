"""Whether figures are counted: findings about what counts them, by how far it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.service.doctor.findings import Explain, Finding, Notes
from ipecs_mw.store.figures.place import list_behind, load_places
from ipecs_mw.store.server.connection import Store

_STANDS_STILL = timedelta(seconds=60)


def examine_figures(
    store: Store, alive: Sequence[Mapping[str, Any]], clock: Clock, explain: Explain
) -> list[Finding]:
    """Look at the figures; `alive` are the daemons of the database that run, one of which should count them."""
    notes = Notes("figures", explain)
    with notes.step("figures_unknown", "warning"):
        now = clock.now()
        places = [place for place in load_places(store) if place.as_of is not None]
        told_at = max((place.told_at for place in places if place.told_at is not None), default=None)
        has_run = any(_has_run(instance, now) for instance in alive)
        if told_at is not None and now - told_at > _STANDS_STILL and has_run:
            notes.add("figures_still", "warning", at=told_at)
            return notes.findings
        for each in list_behind(store, now):
            if each.is_late:
                notes.add("figures_behind", "warning", host=each.host, seconds=round(each.seconds))
            if each.is_much:
                notes.add("figures_waiting", "warning", host=each.host, quarters=each.waiting)
        if told_at is not None and not notes.findings:
            notes.add("figures", at=min(place.as_of for place in places if place.as_of is not None))
    return notes.findings


def _has_run(instance: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a daemon had the time to begin counting."""
    started_at = instance.get("started_at")
    return isinstance(started_at, datetime) and now - started_at > _STANDS_STILL
