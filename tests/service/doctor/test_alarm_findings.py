"""Whether alarms are looked for, and what became of their mails."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.service.doctor.alarm_findings import examine_alarms
from ipecs_mw.store.coordination.leases import acquire_lease
from ipecs_mw.store.coordination.report_runs import claim_run, load_runs, note_alarm, put_off
from ipecs_mw.store.figures.alarms import name_lease
from ipecs_mw.store.server.connection import Store

NOW = datetime.now(UTC)
OLD = {"_id": "one", "hostname": "pbx-server", "started_at": NOW - timedelta(hours=1)}
YOUNG = {"_id": "one", "started_at": NOW + timedelta(days=1)}  # however long this run takes
ALARMS = [AlarmSettings("help", "emergency_call", to=["guard@example.com"])]


def examine(store: Store, *alive: Any, alarms: list[AlarmSettings] = ALARMS) -> dict[str, Any]:
    """Return name → level and facts of what is found."""
    settings = Settings(hosts=[], alarms=alarms)
    found = examine_alarms(store, "default", settings, alive, SystemClock(), str)
    return {finding.name: (finding.level, finding.facts) for finding in found}


def test_alarms_are_looked_for_by_who_holds_the_right(migrated: Store) -> None:
    assert examine(migrated, OLD, alarms=[]) == {}
    assert examine(migrated) == examine(migrated, YOUNG) == {}
    assert examine(migrated, OLD) == {"alarms_unwatched": ("warning", {})}
    assert acquire_lease(migrated, name_lease("default"), "one", 60)
    assert examine(migrated, OLD) == {"alarms": ("ok", {"count": 1, "owner": "pbx-server"})}


def test_a_mail_that_does_not_go_is_a_warning_until_a_later_one_went(migrated: Store) -> None:
    note_alarm(migrated, "default", "help", "default:help:1", "raised", NOW)
    assert examine(migrated) == {}
    run = claim_run(migrated, "default", "one", 60, is_alarm=True)
    assert run is not None
    assert put_off(migrated, run, 60, "451 later", sent_to=(), is_doubtful=False)
    level, facts = examine(migrated)["alarm_mail_late"]
    assert (level, facts["rule"], facts["detail"]) == ("warning", "help", "451 later")
    note_alarm(migrated, "default", "help", "default:help:2", "raised", NOW + timedelta(seconds=1))
    assert examine(migrated) == {}


def test_mails_about_alarms_are_no_runs_of_reports(migrated: Store) -> None:
    note_alarm(migrated, "default", "help", "default:help:1", "raised", NOW)
    assert load_runs(migrated, "default") == {}
    assert claim_run(migrated, "default", "one", 60) is None
    assert list(load_runs(migrated, "default", is_alarm=True)) == ["help"]
