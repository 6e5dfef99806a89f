"""Whether calls are read out of the events: findings about the reader, by what it says and by the log itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ipecs_mw.calls.documents.snapshot import FORMAT
from ipecs_mw.clock import Clock
from ipecs_mw.service.doctor.findings import Explain, Finding, Notes
from ipecs_mw.store.calls.live_query import Reader, load_reader
from ipecs_mw.store.calls.ordered import find_last, list_hosts
from ipecs_mw.store.calls.reader import GONE_SECONDS
from ipecs_mw.store.server.connection import Store

_STANDS_STILL = timedelta(seconds=60)
_NOBODY = {"gone": "reader_gone", "never": "reader_never"}


def examine_reader(
    store: Store, alive: Sequence[Mapping[str, Any]], clock: Clock, explain: Explain
) -> list[Finding]:
    """Look at the reader of calls; `alive` are the daemons of the database that run, one of which should read."""
    notes = Notes("calls", explain)
    with notes.step("reader_unknown", "warning"):
        reader = load_reader(store)
        if reader.format > FORMAT:
            notes.add("reader_newer", "error", format=reader.format, known=FORMAT)
        elif reader.state == "running":
            names = {instance.get("_id"): str(instance.get("hostname") or "") for instance in alive}
            _examine_progress(store, reader, clock.now(), notes, names.get(reader.owner) or reader.owner)
        elif any(_has_run_long(instance, clock.now()) for instance in alive):
            notes.add(_NOBODY[reader.state], "warning", at=reader.told_at or "-")
    return notes.findings


def _has_run_long(instance: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a daemon had the time to begin reading."""
    started_at = instance.get("started_at")
    return isinstance(started_at, datetime) and (now - started_at).total_seconds() > GONE_SECONDS


def _examine_progress(store: Store, reader: Reader, now: datetime, notes: Notes, owner: str) -> None:
    behind = reader.list_behind()
    for host, seconds in behind.items():
        notes.add("reader_behind", "warning", host=host, seconds=round(seconds))
    still = {
        host: last_at
        for host in list_hosts(store)
        if host not in behind and (last_at := _find_untaken(store, reader, host, now))
    }
    for host, last_at in still.items():
        notes.add("reader_still", "warning", host=host, at=last_at)
    if not behind and not still:
        notes.add("reader", owner=owner)


def _find_untaken(store: Store, reader: Reader, host: str, now: datetime) -> datetime | None:
    """Return when the last event of a host was received, where the reader should have taken it long ago."""
    last = find_last(store, host)
    if last is None:
        return None
    last_at: datetime = last["received_at"]
    taken_at = (reader.hosts.get(host) or {}).get("taken_at")
    is_taken = taken_at is not None and last_at - taken_at <= _STANDS_STILL
    return None if is_taken or now - last_at <= _STANDS_STILL else last_at
