"""Whether alarms are looked for, and their mails go: findings by who holds the right to, and by the last mails."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.service.doctor.findings import Explain, Finding, Notes
from ipecs_mw.store.coordination.leases import find_holder
from ipecs_mw.store.coordination.report_runs import OPEN_STATES, load_runs
from ipecs_mw.store.figures.alarms import name_lease
from ipecs_mw.store.server.connection import Store

_BEGINS_WITHIN = timedelta(seconds=60)


def examine_alarms(
    store: Store,
    profile: str,
    settings: Settings,
    alive: Sequence[Mapping[str, Any]],
    clock: Clock,
    explain: Explain,
) -> list[Finding]:
    """Look at the alarms of a profile; `alive` are its daemons that run, one of which should look for them."""
    notes = Notes("alarms", explain)
    if not settings.alarms:
        return notes.findings
    with notes.step("alarms_unknown", "warning"):
        holder = find_holder(store, name_lease(profile))
        if holder is None and any(_has_run(instance, clock.now()) for instance in alive):
            notes.add("alarms_unwatched", "warning")
        elif holder is not None:
            names = {instance.get("_id"): str(instance.get("hostname") or "") for instance in alive}
            notes.add("alarms", count=len(settings.alarms), owner=names.get(holder) or holder)
        told = {alarm.name for alarm in settings.alarms if alarm.to}
        for run in load_runs(store, profile, is_alarm=True).values():
            if run.name in told and run.error is not None:
                name = "alarm_mail_late" if run.state in OPEN_STATES else "alarm_mail_failed"
                notes.add(name, "warning", rule=run.name, at=run.due_at, detail=run.error)
    return notes.findings


def _has_run(instance: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a daemon had the time to begin looking."""
    started_at = instance.get("started_at")
    return isinstance(started_at, datetime) and now - started_at > _BEGINS_WITHIN
