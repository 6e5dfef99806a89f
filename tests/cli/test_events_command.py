"""`ipecs-mw events` and `status` on a real MongoDB."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ipecs_mw.cli import cli
from ipecs_mw.model.event import Event
from ipecs_mw.store.coordination.instances import save_instance
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.server.connection import Store

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
Run = Callable[..., Result]


@pytest.fixture
def bootstrap(mongo_uri: str, tmp_path: Path) -> Path:
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))
    return file


@pytest.fixture
def run(store: Store, bootstrap: Path) -> Run:
    """Runs a command on a log of 30 events, two of them at each instant."""
    documents = []
    for number in range(30):
        at = START + timedelta(minutes=number // 2)
        kind, name, code = ("acd", "station_ring", 66) if number % 3 else ("call", "ringing", None)
        event = Event(
            kind, name, at, {}, code, at, number % 5, stations=(f"100{number % 2}",), data={"x": number}
        )
        documents.append(
            build_document(f"h:{number:04d}", "main" if number < 20 else "branch", number, event)
        )
    EventLog(store).append(documents)

    def invoke(*arguments: str, **environment: str) -> Result:
        return CliRunner(env=environment).invoke(cli, ["--bootstrap", str(bootstrap), *arguments])

    return invoke


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["_id"] for line in result.stdout.splitlines()]


def test_the_newest_come_first_and_at_most_as_many_as_asked(run: Run) -> None:
    assert ids(run("events", "--format", "jsonl", "--limit", "3")) == ["h:0029", "h:0028", "h:0027"]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 30),
        (("--host", "branch"), 10),
        (("--kind", "call"), 10),
        (("--type", "station_ring"), 20),
        (("--code", "66"), 20),
        (("--station", "1001"), 15),
        (("--call", "4"), 6),
        (("--since", "2026-03-02T10:10:00Z"), 10),
        (("--until", "2026-03-02T10:05:00+00:00"), 10),
        (("--host", "main", "--station", "1000", "--code", "66"), 6),
        (("--host", '{"$ne": null}'), 0),
    ],
)
def test_each_filter_counts_and_lists_the_same_events(run: Run, options: tuple[str, ...], count: int) -> None:
    assert run("events", "--count", *options).stdout.strip() == str(count)
    assert len(ids(run("events", "--format", "jsonl", "--limit", "0", *options))) == count


def test_pages_show_every_event_once(run: Run) -> None:
    seen: list[str] = []
    while page := ids(
        run("events", "--format", "jsonl", "--limit", "7", *(["--before", seen[-1]] if seen else []))
    ):
        seen += page
    assert seen == [f"h:{number:04d}" for number in reversed(range(30))]


def test_an_unknown_page_is_an_error_that_names_it(run: Run) -> None:
    result = run("events", "--before", "nowhere")
    assert "nowhere" in str(result.exception)


def test_json_is_one_array_and_csv_has_a_header(run: Run) -> None:
    assert len(json.loads(run("events", "--format", "json", "--limit", "4").stdout)) == 4
    rows = list(csv.DictReader(io.StringIO(run("events", "--format", "csv", "--limit", "2").stdout)))
    assert [row["_id"] for row in rows] == ["h:0029", "h:0028"]
    assert json.loads(rows[0]["data"]) == {"x": 29}


def test_the_table_speaks_the_language_asked_for_and_says_how_to_go_on(run: Run) -> None:
    assert "Station ring" in run("events", "--code", "66", "--limit", "2").stdout
    german = run("events", "--kind", "call", "--limit", "2", IPECS_MW_LOCALE="de-CH")
    assert "Zeit" in german.stdout or "Uhrzeit" in german.stdout
    assert "--before h:" in german.stderr


def test_what_a_host_sends_steers_neither_a_terminal_nor_a_spreadsheet(run: Run, store: Store) -> None:
    event = Event(
        "acd", "x", START + timedelta(days=1), data={"caller_name": "\x1b[2J=cmd\n"}, stations=("=1+1",)
    )
    EventLog(store).append([build_document("h:evil", "main", 99, event)])
    table = run("events", "--limit", "1").stdout
    assert "\x1b" not in table
    row = next(csv.DictReader(io.StringIO(run("events", "--limit", "1", "--format", "csv").stdout)))
    assert row["stations"].startswith("'=")


STEERING = ("\x1b[2J", "\x9b31m", "\u202e", "\u2028", "\x85", "\r\n")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_what_a_host_sends_steers_nothing_on_any_way_out(run: Run, store: Store, form: str) -> None:
    names = [f"a{sign}b" for sign in STEERING]
    event = Event(
        "acd", names[0], START + timedelta(days=1), data={name: name for name in names}, stations=tuple(names),
        group=names[1], problems=tuple(names),
    )  # fmt: skip
    EventLog(store).append([build_document("h:evil", names[2], 99, event)])
    shown = run("events", "--limit", "1", "--format", form).stdout
    assert not [line for line in shown.split("\n") if not line.isprintable()]
    if form in ("json", "jsonl"):
        found = json.loads(shown)
        assert (found[0] if form == "json" else found)["stations"] == names


def test_follow_shows_new_events_as_they_come_and_ends_well(run: Run, store: Store, bootstrap: Path) -> None:
    command = [sys.executable, "-m", "ipecs_mw", "--bootstrap", str(bootstrap), "events", "--follow"]
    environment: dict[str, Any] = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--format", "jsonl"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = ""
        for number in range(200):  # until the follower listens
            event = Event("system", "gap", START + timedelta(days=2, seconds=number))
            EventLog(store).append([build_document(f"n:{number:04d}", "main", number, event)])
            if number == 0:
                continue
            line = _line_within(process, 0.1)
            if line:
                break
        process.terminate()
        process.stdout.read()
        assert json.loads(line)["type"] == "gap"
        assert process.wait(10) == 0


def _line_within(process: subprocess.Popen[str], seconds: float) -> str:
    import select  # noqa: PLC0415 - here only

    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else ""


def test_status_tells_the_living_from_the_dead(run: Run, store: Store) -> None:
    assert run("status").exit_code == 1
    host = {"state": "up", "since": START, "received": 5, "stored": 5, "journal": {"entries": 0}}
    document = {
        "profile": "default",
        "state": "running",
        "pid": 1,
        "hostname": "h",
        "version": "1",
        "revision": 3,
    }
    save_instance(store, "one", {**document, "started_at": START, "hosts": {"main": host}})
    result = run("status")
    assert result.exit_code == 0
    assert "main: up" in result.stdout
    store.database["instances"].update_one({"_id": "one"}, {"$set": {"heartbeat_at": START}})
    result = run("status")
    assert result.exit_code == 1
    assert "has not been heard of" in result.stdout
    assert json.loads(run("status", "--format", "json").stdout)[0]["is_alive"] is False
