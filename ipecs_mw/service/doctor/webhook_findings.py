"""Whether webhooks are sent: findings about each, by its document and by what the daemon that sends says."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.errors import InvalidDocument
from ipecs_mw.messages.webhook import parse_webhook
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.report_settings import ReportSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.service.doctor.findings import Explain, Finding, Notes
from ipecs_mw.store.applications.deliveries import count_set_aside
from ipecs_mw.store.applications.webhooks import load_all
from ipecs_mw.store.server.connection import Store

_BEGIN_SECONDS = 60.0
_STOPPED = {"paused": "webhook_paused", "disabled": "webhook_disabled"}
_GONE = "410"
_LATE_SECONDS = 900
_LATELY = timedelta(days=1)


def examine_webhooks(
    store: Store, alive: Sequence[Mapping[str, Any]], clock: Clock, explain: Explain
) -> Sequence[Finding]:
    """Look at all webhooks; `alive` are the daemons of the database that run, one of which should send."""
    notes = Notes("webhooks", explain)
    with notes.step("webhooks_unknown", "warning"):
        documents = list(load_all(store))
        told = _list_told(alive)
        if documents and told is None and any(_has_run_long(each, clock.now()) for each in alive):
            notes.add("webhooks_unsent", "warning")
        for document in documents:
            name = str(document["_id"])
            try:
                parse_webhook(document)
            except InvalidDocument as error:
                notes.add("webhook_wrong", "error", webhook=name, detail=explain(error))
            else:
                _examine(store, document, (told or {}).get(name, {}), notes, clock.now())
    return notes.findings


def examine_named(store: Store, settings: Settings, explain: Explain) -> Sequence[Finding]:
    """Look whether the webhooks are there that reports and alarms name, and take these."""
    notes = Notes("webhooks", explain)
    named: dict[str, Sequence[AlarmSettings | ReportSettings]] = {
        "alarms": settings.alarms,
        "reports": settings.reports,
    }
    with notes.step("webhooks_unknown", "warning"):
        topics = {str(each["_id"]): each.get("topics") or () for each in load_all(store)}
        for topic, rules in named.items():
            for rule in rules:
                for webhook in rule.webhooks or ():
                    if topic not in topics.get(webhook, ()):
                        facts = {"setting": topic, "name": rule.name, "topic": topic}
                        notes.add("webhook_named", "warning", webhook=webhook, **facts)
    return notes.findings


def _examine(
    store: Store, document: Mapping[str, Any], told: Mapping[str, Any], notes: Notes, now: datetime
) -> None:
    name = str(document["_id"])
    if problem := told.get("problem"):
        notes.add("webhook_wrong", "error", webhook=name, detail=problem)
        return
    state = document.get("state", "active")
    if state in _STOPPED:
        reason = document.get("reason")
        if state == "disabled" and reason not in (None, _GONE):
            notes.add("webhook_stopped", "warning", webhook=name, detail=reason)
        else:
            notes.add(_STOPPED[state], "warning", webhook=name)
        return
    if told.get("is_unreachable"):
        notes.add("webhook_unreachable", "warning", webhook=name, waiting=told.get("waiting", 0))
    oldest_at = told.get("oldest_at")
    seconds = (now - oldest_at).total_seconds() if isinstance(oldest_at, datetime) else 0.0
    is_late = seconds > _LATE_SECONDS and not told.get("is_unreachable")
    if is_late:
        notes.add(
            "webhook_behind", "warning", webhook=name, waiting=told.get("waiting", 0), seconds=round(seconds)
        )
    if count := count_set_aside(store, name, now - _LATELY):
        notes.add("webhook_set_aside", "warning", webhook=name, count=count)
    if not (told.get("is_unreachable") or count or is_late):
        notes.add("webhook", webhook=name, waiting=told.get("waiting", 0))


def _list_told(alive: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]] | None:
    """Return webhook → what the daemon says that sends; None where none does."""
    for instance in alive:
        told = instance.get("webhooks") or {}
        if told.get("is_sender"):
            return {str(each.get("name")): each for each in told.get("webhooks") or ()}
    return None


def _has_run_long(instance: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a daemon had the time to begin sending."""
    started_at = instance.get("started_at")
    return isinstance(started_at, datetime) and (now - started_at).total_seconds() > _BEGIN_SECONDS
