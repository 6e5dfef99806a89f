"""What the findings about a phone system are made of, without one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs
from support import FakeClock

from ipecs_mw.errors import CommandFailed, CommandRefused
from ipecs_mw.model.configuration.settings import HostSettings, SmdrSettings
from ipecs_mw.service.doctor.findings import Notes
from ipecs_mw.service.doctor.host_findings import (
    examine_daemon,
    examine_events,
    examine_monitoring,
    examine_switches,
    examine_writing,
)
from ipecs_mw.store.server.connection import Store

HOST = HostSettings("main", "192.0.2.10", "apiuser", {"env": "X"}, "UTC", monitor=["1000-1001"])  # type: ignore[arg-type]


@pytest.fixture
def notes() -> Notes:
    return Notes("main", str)


def levels(notes: Notes) -> dict[str, str]:
    return {finding.name: finding.level for finding in notes.findings}


@pytest.mark.parametrize(
    ("heard_minutes", "up_minutes", "expected"),
    [
        (1, 60, {"acd": "ok", "host_clock": "ok"}),
        (10, 60, {"acd_silent": "warning", "host_clock": "ok"}),
        (60, 1, {"acd": "ok", "host_clock": "ok"}),
        (60, None, {"acd": "ok", "host_clock": "ok"}),
        (None, 60, {"acd_silent": "warning"}),
        (None, 1, {"acd_never": "ok"}),
        (None, None, {"acd_never": "warning"}),
    ],
)
def test_silence_counts_from_the_last_event_or_from_when_the_session_came_up(
    store: Store,
    clock: FakeClock,
    notes: Notes,
    heard_minutes: int | None,
    up_minutes: int | None,
    expected: dict[str, str],
) -> None:
    def ago(minutes: int) -> datetime:
        return clock.now() - timedelta(minutes=minutes)

    if heard_minutes is not None:
        at = ago(heard_minutes)
        store.database["events"].insert_one({"host": "main", "kind": "acd", "received_at": at, "at": at})
    examine_events(store, HOST, None if up_minutes is None else ago(up_minutes), clock, notes)
    assert levels(notes) == expected


def test_silence_is_told_in_minutes_that_have_passed(store: Store, clock: FakeClock, notes: Notes) -> None:
    examine_events(store, HOST, clock.now() - timedelta(seconds=359), clock, notes)
    assert [finding.facts for finding in notes.findings] == [{"minutes": 5}]


def test_what_a_daemon_says_of_its_host_becomes_findings(notes: Notes) -> None:
    state: dict[str, Any] = {
        "state": "backing_off",
        "reason": "no answer",
        "problem": "MongoDB is away",
        "monitors": {"monitor": {"accepted": 0, "refused": {"1000": "no"}}, "presence": {"accepted": 2}},
    }
    assert examine_daemon(state, notes) is False
    assert levels(notes) == {
        "session_not_up": "error",
        "forwarding_stalled": "error",
        "monitor_refused": "error",
        "presence_accepted": "ok",
    }
    assert notes.findings[0].facts == {"state": "backing_off", "reason": "no answer"}


@pytest.mark.parametrize("kind", [CommandRefused, CommandFailed])
def test_a_licence_is_told_missing_whoever_asked(kind: type[Exception], notes: Notes) -> None:
    def ask(_command: str, _arguments: Any) -> Any:
        raise kind("error.command_refused", code=3, family="common")

    examine_switches(ask, HOST, notes)
    examine_monitoring(ask, HOST, notes)
    assert {finding.facts["licence"] for finding in notes.findings} == {"API-SMDR", "API-CTI"}


def test_another_refusal_is_told_as_it_is_and_the_rest_goes_on(notes: Notes) -> None:
    def ask(command: str, _arguments: Any) -> Any:
        if command == "smdr.get":
            raise CommandRefused("error.command_refused", code=99)
        return {}

    examine_switches(ask, HOST, notes)
    assert levels(notes) == {"command_failed": "error", "cti": "ok"}


def test_who_wants_no_call_records_needs_no_licence_for_them(notes: Notes) -> None:
    asked = []

    def ask(command: str, _arguments: Any) -> Any:
        asked.append(command)
        return {}

    host = HostSettings("main", "a", "u", "p", "UTC", smdr=SmdrSettings(backfill=False))
    examine_switches(ask, host, notes)
    assert asked == []


def test_a_reply_of_another_form_is_a_finding_and_no_crash(notes: Notes) -> None:
    examine_switches(lambda _command, _arguments: {"items": "none"}, HOST, notes)
    examine_monitoring(lambda _command, _arguments: ["?"], HOST, notes)
    assert levels(notes) == {"smdr_odd": "warning", "cti": "ok", "monitor_refused": "error"}


def test_the_instants_of_findings_are_utc(store: Store, clock: FakeClock, notes: Notes) -> None:
    store.database["events"].insert_one({"host": "main", "kind": "acd", "received_at": clock.now()})
    examine_events(store, HOST, None, clock, notes)
    at = notes.findings[0].facts["at"]
    assert at == clock.now().astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Etc/GMT+9", "zone_behind"),
        ("Etc/GMT-9", "zone_ahead"),
        ("Etc/GMT+12", "zone_behind"),
        ("Etc/GMT", None),
        ("Etc/GMT+0", None),
        ("Asia/Seoul", None),
    ],
)
def test_a_zone_whose_sign_is_reversed_gets_a_hint(
    store: Store, notes: Notes, zone: str, name: str | None
) -> None:
    examine_writing(store, structs.replace(HOST, timezone=zone), notes)
    assert levels(notes) == ({} if name is None else {name: "warning"})


def test_a_problem_that_most_events_share_is_one_finding(store: Store, notes: Notes) -> None:
    problems = ["StartTime: unexpected value"]
    store.database["events"].insert_many(
        {
            "host": HOST.name,
            "kind": "smdr",
            "received_at": datetime(2026, 3, 2, tzinfo=UTC),
            **({"problems": problems} if at % 5 else {}),
        }
        for at in range(60)
    )
    examine_writing(store, HOST, notes)
    [finding] = notes.findings
    assert (finding.name, finding.level) == ("events_problem", "warning")
    assert finding.facts == {"kind": "smdr", "problem": problems[0], "percent": 80}
