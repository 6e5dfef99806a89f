"""`ipecs-mw calls`, `call`, `live` and `missed` on a real MongoDB."""

import csv
import io
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from call_scene import CALLER, MORNING, OTHER, keep, tell
from click.testing import CliRunner, Result
from rich.cells import cell_len
from sites import Site, wait_until

from ipecs_mw.cli import cli
from ipecs_mw.errors import StoreRefused
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.schema.roles import grant
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.embedded import Embedded

Run = Callable[..., Result]
LOCALES = ("en-GB", "de-DE", "ko-KR")


@pytest.fixture
def run(migrated: Store, mongo_uri: str, tmp_path: Path) -> Run:
    """Runs a command on an empty database with the schema."""
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))

    def invoke(*arguments: str, **environment: str) -> Result:
        settings = {"TZ": "UTC", "IPECS_MW_LOCALE": "en-GB", **environment}
        return CliRunner(env=settings).invoke(cli, ["--bootstrap", str(file), *arguments])

    return invoke


@pytest.fixture
def morning(run: Run, migrated: Store) -> Run:
    """Runs a command on a morning with six calls, which a reader has just read."""
    keep(migrated)
    tell(migrated)
    return run


def read(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines()]


def refs(result: Result) -> list[int]:
    return [call["call_refs"][0] for call in read(result)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [12, 11, 10, 9, 8, 7]),
        (("--station", "1003", "--direction", "internal"), [10]),
        (("--agent", "0042"), [7]),
        (("--group", "620", "--outcome", "abandoned"), [8]),
        (("--number", "06 12 34 56 78"), [12, 7]),
        (("--name", "KI"), [12, 7]),
        (("--open",), [12]),
        (("--since", "2026-03-02T08:05:00Z", "--until", "2026-03-02T08:09:00Z"), [11, 10]),
        (("--host", "main", "--limit", "2"), [12, 11]),
    ],
)
def test_each_filter_of_calls_lists_and_counts_the_same(
    morning: Run, options: tuple[str, ...], expected: list[int]
) -> None:
    assert refs(morning("calls", "--format", "jsonl", *options)) == expected
    if "--limit" not in options:
        assert morning("calls", "--count", *options).stdout.strip() == str(len(expected))


def test_pages_of_calls_go_on_with_the_id_that_is_named(morning: Run) -> None:
    first = morning("calls", "--limit", "4")
    hint = first.stderr.strip()
    assert hint.startswith("Older calls: --before main:")
    assert refs(morning("calls", "--format", "jsonl", "--before", hint.split()[-1])) == [8, 7]
    assert refs(morning("calls", "--format", "jsonl", "--after", hint.split()[-1])) == [12, 11, 10]


def test_csv_has_the_same_columns_whatever_calls_there_are(morning: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(morning("calls", "--format", "csv").stdout)))
    assert rows[-1]["caller.number"] == CALLER
    assert (rows[-1]["seconds.talk"], rows[-1]["answered_by.agent"], rows[-1]["is_open"]) == (
        "25.0",
        "0042",
        "false",
    )
    assert rows[0]["outcome"] == ""
    chosen = morning("calls", "--format", "csv", "--columns", "_id,segments,dialed.group", "--limit", "1")
    row = next(csv.DictReader(io.StringIO(chosen.stdout)))
    assert json.loads(row["segments"])[0]["kind"] == "queue"
    assert morning("calls", "--format", "csv", "--bom").stdout.startswith("\ufeff_id")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "arguments",
    [("calls",), ("missed", "list", "--all"), ("live",)],
)
def test_tables_fit_80_columns_and_name_their_zone(
    morning: Run, migrated: Store, locale: str, arguments: tuple[str, ...]
) -> None:
    lines = morning(*arguments, COLUMNS="80", IPECS_MW_LOCALE=locale).stdout.splitlines()
    assert len(lines) > 1
    assert max(map(cell_len, lines)) <= 80
    if arguments != ("live",):
        assert "UTC" in lines[0]
        assert "…" not in lines[0], "a head that is cut"


def test_in_a_pipe_a_table_of_calls_is_whole(morning: Run) -> None:
    shown = morning("calls", COLUMNS="").stdout
    assert "0612345678 (Kim)" in shown
    assert "main:" in shown.splitlines()[1]
    assert "…" not in shown


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("calls", "--direction", "inwards"), ("inbound", "tandem")),
        (("calls", "--outcome", "lost"), ("abandoned", "lost_on_hold")),
        (("calls", "--host", "nosuch"), ("nosuch", "main")),
        (("missed", "list", "--host", "nosuch"), ("nosuch",)),
        (("live", "--host", "nosuch"), ("nosuch",)),
        (("calls", "--open", "--outcome", "busy"), ("--open", "--outcome")),
        (("calls", "--count", "--before", "x"), ("--count", "--before")),
        (("calls", "--columns", "nosuch", "--format", "csv"), ("nosuch", "seconds.talk")),
        (("calls", "--bom"), ("--bom", "csv")),
        (("calls", "--since", "1h", "--until", "2h"), ("--until",)),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    morning: Run, options: tuple[str, ...], named: tuple[str, ...]
) -> None:
    result = morning(*options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [name for name in named if name not in result.stderr] == []


@pytest.mark.parametrize("command", [("calls",), ("missed",), ("missed", "list", "--format", "jsonl")])
def test_that_nothing_was_found_and_nobody_has_read_is_said(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.exit_code == 0
    assert "matches" in result.stderr
    assert "ipecs-mw run" in result.stderr


def test_that_nobody_reads_any_more_is_said(morning: Run, migrated: Store) -> None:
    assert morning("calls").stderr == ""
    tell(migrated, seconds_ago=100)
    assert "Nobody has read" in morning("calls").stderr
    tell(migrated, behind_seconds=90)
    assert "90 s behind" in morning("calls").stderr


def find_id(morning: Run, *options: str) -> str:
    return str(read(morning("calls", "--format", "jsonl", *options))[0]["_id"])


def test_a_call_is_told_step_by_step(morning: Run) -> None:
    call_id = find_id(morning, "--agent", "0042")
    lines = morning("call", call_id.partition(":")[2][:8]).stdout.splitlines()
    assert lines[0] == f"Call {call_id}"
    assert lines[1] == "Incoming, answered: 0612345678 (Kim) → 620"
    assert "talk 0:25, hold 0:10" in lines[2]
    steps = [line.split("  ", 1) for line in lines[5:]]
    assert [(time, step.strip()) for time, step in steps] == [
        (f"08:{time}", step)
        for time, step in (
            ("00:10", "0612345678 (Kim) calls in, for 620"),
            ("00:12", "0:13    Waits in group 620: answered"),
            ("00:20", "0:05    1001 (0042) rings: answered"),
            ("00:25", "0:15    1001 (0042) talks"),
            ("00:40", "0:10    1001 (0042) holds the call"),
            ("00:50", "0:10    1001 (0042) talks"),
            ("01:00", "The other side on line 001 hangs up: the call ends"),
            ("01:02", "0:18    1001 (0042) wraps up"),
        )
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_call_can_be_told_in_every_language(morning: Run, locale: str) -> None:
    for call in read(morning("calls", "--format", "jsonl")):
        shown = morning("call", call["_id"], COLUMNS="80", IPECS_MW_LOCALE=locale)
        assert shown.exit_code == 0
        assert "cli." not in shown.stdout, "a text that is not there"
        table = shown.stdout.split("\n\n")[1]
        assert max(map(cell_len, table.splitlines())) <= 80


def test_the_events_behind_a_call_are_shown_with_it(morning: Run) -> None:
    call_id = find_id(morning, "--outcome", "abandoned")
    assert "Trunk idle" in morning("call", call_id, "--events").stdout
    told = json.loads(morning("call", call_id, "--events", "--format", "json").stdout)
    assert (told["_id"], [event["code"] for event in told["events"]]) == (call_id, [3, 72, 62, 43, 2])
    assert "events" not in json.loads(morning("call", call_id, "--format", "json").stdout)


def test_what_is_uncertain_of_a_call_is_said(run: Run, migrated: Store) -> None:
    gap = {"since": "2026-03-02T08:00:20+00:00"}
    keep(migrated, [*MORNING[:7], (30, "gap", gap), (300, 3, 8, "CO001", "1003"), (310, 2, "", "CO001")])
    tell(migrated)
    call_id = find_id(run, "--agent", "0042")
    doubts = run("call", call_id).stdout.partition("What is uncertain:")[2]
    assert "Another call took its line" in doubts
    assert "1 gap" in doubts
    assert "answered ?" in run("calls").stdout or "unknown ?" in run("calls").stdout


@pytest.mark.parametrize("given", ["nowhere", "main:"])
def test_an_id_that_is_none_is_said_in_words(morning: Run, given: str) -> None:
    result = morning("call", given)
    assert getattr(result.exception, "exit_code", None) == 2
    assert given in shipped_texts("en-GB").explain(result.exception)  # type: ignore[arg-type]


def test_live_tells_who_does_what_and_who_waits(morning: Run) -> None:
    shown = morning("live", COLUMNS="").stdout
    group = next(line for line in shown.splitlines() if line.startswith("620"))
    assert group.split()[1] == "1"
    assert "2 ready" in group
    assert "main: last heard" in shown
    assert "1001" in shown
    told = json.loads(morning("live", "--format", "json", "--group", "620").stdout)
    assert (told["is_stale"], told["reader"]["state"]) == (False, "running")
    assert {item["kind"] for item in told["items"]} == {"group", "station", "agent"}
    assert "nobody" not in shown


def test_live_never_shows_a_frozen_number_as_a_fresh_one(run: Run, migrated: Store) -> None:
    keep(migrated, [*MORNING, (700, "session_down", {"reason": "error.connection_lost"})])
    tell(migrated)
    shown = run("live", COLUMNS="").stdout
    assert "NOT CURRENT" in shown
    assert "session to the phone system is down" in shown
    group = next(line for line in shown.splitlines() if line.startswith("620"))
    assert group.split()[1:] == ["was:", "1", "–", "–", "–"]
    assert all("was:" in line for line in shown.splitlines() if line.startswith("100"))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (None, "ipecs-mw run"),
        ({"seconds_ago": 50}, "Nobody has read"),
        ({"behind_seconds": 100}, "100 s behind"),
    ],
)
def test_live_says_where_nobody_reads(
    run: Run, migrated: Store, facts: dict[str, Any] | None, words: str
) -> None:
    keep(migrated)
    if facts is not None:
        tell(migrated, **facts)
    shown = run("live").stdout
    assert words in shown
    assert "NOT CURRENT" in shown


def test_live_is_watched_until_it_is_interrupted(site: Site) -> None:
    keep(site.store)
    tell(site.store)
    shown = site.folder / "shown"
    with shown.open("w") as output:
        command = site.command("live", "--watch", "--interval", "0.2", "--format", "json")
        process = subprocess.Popen(command, stdout=output)
        wait_until(lambda: shown.read_text().count("\n") >= 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    told = [json.loads(line) for line in shown.read_text().splitlines()]
    assert {len(each["items"]) for each in told} == {7}


def test_live_with_nothing_to_show_says_so(run: Run) -> None:
    assert "Nothing is known" in run("live").stdout


def test_live_of_a_group_that_nobody_knows_names_it(morning: Run) -> None:
    assert "Nothing is known of group 999." in morning("live", "--group", "999").stdout


def test_live_tells_of_a_gap_as_long_as_somebody_has_not_been_seen_since(run: Run, migrated: Store) -> None:
    gap = (700, "gap", {"reason": "session_down"})
    keep(migrated, [*MORNING, gap])
    tell(migrated)
    assert "Events were missing until" in run("live").stdout
    migrated.database["live"].update_many({"state": "unknown"}, {"$set": {"state": "ready"}})
    migrated.database["live"].update_many({}, {"$unset": {"unseen": ""}})
    assert "missing" not in run("live").stdout


def test_missed_calls_are_listed_owned_noted_and_closed(morning: Run) -> None:
    (item,) = read(morning("missed", "list", "--format", "jsonl"))
    assert (item["number"], item["state"]) == (OTHER, "open")
    short = item["_id"].partition(":")[2][:8]
    assert OTHER in morning("missed").stdout
    assert morning("missed", "own", short, "kim").exit_code == 0
    assert "offer" in morning("missed", "note", short, "wants an offer").stdout
    assert [
        each["owner"] for each in read(morning("missed", "list", "--owner", "kim", "--format", "jsonl"))
    ] == ["kim"]
    closed = morning("missed", "close", short, "--note", "done")
    assert closed.stdout == f"Closed: {OTHER} ({item['_id']})\n"
    assert "No missed call matches" in morning("missed").stderr
    (kept,) = read(morning("missed", "list", "--all", "--format", "jsonl"))
    assert (kept["state"], kept["note"], kept["owner"]) == ("closed", "done", "kim")
    assert [entry["did"] for entry in kept["history"]] == ["owned", "noted", "closed"]
    assert "closed by" in morning("missed", "list", "--all", COLUMNS="").stdout
    assert getattr(morning("missed", "close", short).exception, "key", "") == "error.missed_closed"


def test_a_reader_asks_and_a_supervisor_closes(
    run: Run, migrated: Store, mongo: Embedded, tmp_path: Path
) -> None:
    keep(migrated)
    tell(migrated)
    name, port = migrated.database.name, mongo.access.port

    def run_as(role: str, *arguments: str) -> Result:
        grant(migrated, role, f"{role}-user", "canary-of-a-user")
        uri = f"mongodb://{role}-user:canary-of-a-user@127.0.0.1:{port}/{name}?authSource={name}"
        file = tmp_path / f"{role}.json"
        file.write_text(json.dumps({"mongo_uri": uri}))
        return CliRunner(env={"IPECS_MW_LOCALE": "en-GB"}).invoke(cli, ["--bootstrap", str(file), *arguments])

    call_id = find_id(run, "--outcome", "abandoned")
    assert refs(run_as("reader", "calls", "--number", "06 98-765432", "--format", "jsonl")) == [9, 8]
    assert run_as("reader", "call", call_id, "--events").exit_code == 0
    assert "2 ready" in run_as("reader", "live").stdout
    assert OTHER in run_as("reader", "missed").stdout
    refused = run_as("reader", "missed", "close", "main:").exception
    assert isinstance(refused, StoreRefused)
    assert "supervisor" in str(refused.facts["roles"])
    assert run_as("supervisor", "missed", "close", "main:").exit_code == 0


def test_what_a_caller_s_name_holds_steers_nothing(run: Run, migrated: Store) -> None:
    evil = "\x1b[2J=cmd\u202e"
    keep(
        migrated, [(0, 3, 1, "CO001", "1001"), (0, 72, 1, "CO001", "1001", OTHER, evil), (9, 2, "", "CO001")]
    )
    call_id = find_id(run)
    for arguments in (("calls",), ("call", call_id), ("missed",), ("calls", "--format", "csv")):
        shown = run(*arguments).stdout
        assert not [line for line in shown.split("\n") if not line.isprintable()]
