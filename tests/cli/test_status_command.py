"""`ipecs-mw status` on a real MongoDB: what is wrong stands in it, and --watch shows it as it changes."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from call_scene import tell
from click.testing import Result
from sites import Site, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import Alarm
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.store.coordination.instances import save_instance
from ipecs_mw.store.figures.alarms import raise_alarm
from ipecs_mw.store.figures.place import Place, save_place
from ipecs_mw.store.server.connection import Store

Invoke = Callable[..., Result]


def save(store: Store, **host: Any) -> None:
    """Save a daemon whose one host is well but for `host`."""
    now = SystemClock().now()
    main = {"state": "up", "since": now, "received": 5, "stored": 5, "journal": {"entries": 0}, **host}
    document = {"profile": "default", "state": "running", "pid": 1, "hostname": "h", "version": "1"}
    save_instance(store, "one", {**document, "revision": 3, "started_at": now, "hosts": {"main": main}})


def test_a_host_that_is_well_has_no_line_of_trouble(invoke: Invoke, store: Store) -> None:
    save(store)
    tell(store)
    assert len(invoke("status").stdout.splitlines()) == 4


def test_what_waits_and_what_is_missing_is_told(invoke: Invoke, store: Store) -> None:
    now = datetime.now(UTC)
    oldest_at = now - timedelta(seconds=90)
    save(store, journal={"entries": 9, "oldest_at": oldest_at, "used_share": 0.42})
    gaps = [
        {"_id": str(age), "type": "gap", "host": "main", "received_at": now - timedelta(hours=age)}
        for age in (1, 2, 30)
    ]
    store.database["events"].insert_many(gaps)
    said = invoke("status").stdout
    assert "has waited 9" in said
    assert "42% full" in said
    assert "gaps in the last 24 hours: 2" in said


def test_of_many_numbers_that_were_refused_the_first_are_named(invoke: Invoke, store: Store) -> None:
    refused = {str(number): "invalidMonitorObjectType" for number in range(1000, 1100)}
    save(store, monitors={"monitor": {"accepted": 3, "refused": refused, "unconnected": []}})
    said = invoke("status").stdout
    assert said.count("1000-1099 (invalidMonitorObjectType)") == 1
    assert "100 refused" in said


def test_numbers_that_all_subscriptions_refuse_are_named_once_as_ranges(invoke: Invoke, store: Store) -> None:
    refused = dict.fromkeys(("1001", "1000", "0999", "1003", "12"), "invalid") | {"1002": "noLicense"}
    save(store, monitors={name: {"accepted": 0, "refused": refused} for name in ("monitor", "presence")})
    said = invoke("status").stdout
    assert said.count("refused: 12, 0999-1001, 1003 (invalid), 1002 (noLicense)") == 1


def test_the_figures_add_up(invoke: Invoke, store: Store) -> None:
    save(store, received=28938, stored=28972, journal={"entries": 3})
    said = invoke("status").stdout
    assert "received 28938, others 37 (from the middleware itself" in said


def test_what_a_sender_may_not_see_is_said(site: Site, invoke: Invoke) -> None:
    save(site.store)
    (site.folder / "password").write_text("sender-password")
    name = f"s{site.store.database.name}"
    granted = invoke("grant", "sender", name, "--password-file", str(site.folder / "password"))
    uri = granted.stdout.split()[-1].replace("PASSWORD", "sender-password")
    (site.folder / "bootstrap.json").write_text(json.dumps({"mongo_uri": uri}))
    said = invoke("status")
    assert (said.exit_code, "may not read the event log" in said.stdout) == (0, True), said


def test_a_configuration_that_was_refused_and_one_that_was_recalled_are_told(
    invoke: Invoke, store: Store
) -> None:
    save(store)
    refused = {"at": datetime.now(UTC), "reason": "hosts[0].port: no"}
    store.database["instances"].update_one({}, {"$set": {"is_recalled": True, "refused": refused}})
    said = invoke("status").stdout
    assert "last good configuration" in said
    assert "hosts[0].port: no" in said


def test_what_waits_of_hosts_that_are_no_longer_configured_is_told(invoke: Invoke, store: Store) -> None:
    save(store)
    former = {"gone": {"stored": 3, "journal": {"entries": 12}, "problem": "MongoDB refuses"}}
    store.database["instances"].update_one({}, {"$set": {"former_hosts": former}})
    said = invoke("status").stdout
    assert "gone is no longer configured: 12 events wait" in said
    assert "MongoDB refuses" in said


def watch(site: Site, output: Any, *options: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        site.command("status", "--watch", "--interval", "0.2", *options),
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "150", "TERM": "xterm"},
    )
    site.processes.append(process)  # type: ignore[arg-type]
    return process


@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_watching_shows_each_change_until_interrupted(site: Site, options: tuple[str, ...]) -> None:
    shown = site.folder / "shown"
    with shown.open("wb") as output:
        process = watch(site, output, *options)
        for stored in (4711, 4712):
            save(site.store, stored=stored)
            wait_until(lambda stored=stored: str(stored) in shown.read_text(), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "Traceback" not in shown.read_text()


def test_watching_in_a_terminal_redraws_in_place(site: Site) -> None:
    save(site.store)
    terminal, inside = os.openpty()
    process = watch(site, inside)
    os.close(inside)
    seen = b""
    while seen.count(b"main: connected") < 2:
        assert process.poll() is None, seen.decode()
        assert select.select([terminal], [], [], 60)[0], seen.decode()
        seen += os.read(terminal, 4096)
    assert b"\x1b[1A" in seen, "the cursor never goes back up"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    os.close(terminal)


def test_who_reads_calls_is_told_and_how_far_behind_or_that_nobody_does(invoke: Invoke, store: Store) -> None:
    save(store)
    assert "Nobody has read calls out of the events yet" in invoke("status").stdout
    tell(store)
    said = invoke("status").stdout
    assert "Calls are read out of the events by h." in said
    assert "behind" not in said
    tell(store, behind_seconds=75)
    assert "main: calls are 75 s behind" in invoke("status").stdout
    tell(store, seconds_ago=100)
    assert "Nobody has read calls out of the events since" in invoke("status").stdout


def test_where_no_daemon_runs_nobody_asks_for_a_reader(invoke: Invoke, store: Store) -> None:
    save(store)
    store.database["instances"].update_one({}, {"$set": {"state": "stopped"}})
    assert "calls" not in invoke("status").stdout


def test_figures_that_are_behind_are_told(invoke: Invoke, store: Store) -> None:
    save(store)
    tell(store)
    now = datetime.now(UTC)
    live = {"_id": "main:host", "host": "main", "kind": "host", "is_stale": False}
    store.database["live"].insert_one(live)
    save_place(store, Place("main", now - timedelta(hours=1), waiting=500), now)
    said = invoke("status").stdout
    assert "main: figures are 360" in said
    assert "main: 500 quarter hours wait to be counted anew" in said
    save_place(store, Place("main", now), now)
    assert "figures" not in invoke("status").stdout


def test_alarms_that_last_are_told(invoke: Invoke, store: Store) -> None:
    save(store)
    tell(store)
    now = datetime.now(UTC)
    rule = AlarmSettings("all", "call_to", numbers=["0*"])
    for number in range(25):
        said = Words("alarm.says.call_to", station="1001", number=f"0900{number:03}")
        raise_alarm(store, "default", rule, "main", Alarm(f"main:{number}", now, said), "", now)
    shown = invoke("status").stdout
    assert shown.count("ALARM all, main, since ") == 20
    assert "station 1001 called 0900" in shown
    assert "5 more alarms" in shown
