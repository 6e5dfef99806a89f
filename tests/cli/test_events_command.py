"""`ipecs-mw events` and `status` on a real MongoDB."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from rich.cells import cell_len

from ipecs_mw.cli import cli
from ipecs_mw.cli.printing.event_table import write_table
from ipecs_mw.errors import NoSuchProfile
from ipecs_mw.model.event import Event
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.configuration.settings import save_settings
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
        (("--station", '{"$ne": null}'), 0),
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
        assert process.wait(60) == 0


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
    assert "main: connected" in result.stdout
    store.database["instances"].update_one({"_id": "one"}, {"$set": {"heartbeat_at": START}})
    result = run("status")
    assert result.exit_code == 1
    assert "has given no sign of life" in result.stdout
    assert json.loads(run("status", "--format", "json").stdout)[0]["is_alive"] is False


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--host", "nosuch"), ("--host", "nosuch", "branch, main")),
        (("--type", "nosuchtype"), ("--type", "station_ring", "session_up")),
        (("--kind", "nosuch"), ("--kind", "undecodable")),
        (("--since", "1h", "--until", "2h"), ("--until",)),
        (("--follow", "--until", "1h"), ("--follow", "--until")),
        (("--follow", "--count"), ("--follow", "--count")),
        (("--follow", "--before", "h:0001"), ("--follow", "--before")),
        (("--count", "--after", "h:0001"), ("--count", "--after")),
        (("--columns", "type"), ("--columns", "csv")),
        (("--columns", "nosuch,type", "--format", "csv"), ("nosuch", "received_at")),
        (("--bom", "--format", "json"), ("--bom", "csv")),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_that_says_what_is_right(
    run: Run, options: tuple[str, ...], names: tuple[str, ...]
) -> None:
    result = run("events", *options)
    assert result.exit_code == 2
    assert not result.stdout
    assert [name for name in names if name not in result.stderr] == []


@pytest.mark.parametrize("options", [("--host", "branch"), ("--type", "held"), ("--type", "smdr")])
def test_a_host_with_events_or_a_type_without_any_is_right(run: Run, options: tuple[str, ...]) -> None:
    assert run("events", *options).exit_code == 0


def test_a_profile_that_is_not_there_is_wrong_usage(run: Run, store: Store) -> None:
    save_settings(store, "default", read_json("config.json"), "test", at=START)
    result = run("--profile", "nosuch", "events")
    assert isinstance(result.exception, NoSuchProfile)
    assert (result.exception.exit_code, result.exception.facts["profiles"]) == (2, "default")


def test_a_host_that_is_configured_and_silent_is_right(run: Run, store: Store) -> None:
    content = read_json("config.json")
    content["hosts"][0]["name"] = "silent"
    save_settings(store, "default", content, "test", at=START)
    assert run("events", "--host", "silent").exit_code == 0
    assert "silent" in run("events", "--host", "nosuch").stderr


def test_after_an_event_come_only_newer_ones(run: Run) -> None:
    assert ids(run("events", "--format", "jsonl", "--after", "h:0026")) == ["h:0029", "h:0028", "h:0027"]
    between = run("events", "--format", "jsonl", "--after", "h:0020", "--before", "h:0023")
    assert ids(between) == ["h:0022", "h:0021"]


def store_calls(store: Store) -> None:
    events = [
        Event("smdr", "smdr", START, stations=("0100",), data={"number1": "0612345678", "index": 7}),
        Event("acd", "incoming_caller_info", START, code=72, stations=("0100",), group="620",
              data={"caller_number": "0698765432", "caller_name": "김철수", "source_number": "001"}),
        Event("acd", "disconnect", START, code=44, data={"disconnect_cause": 16, "odd": [1]}),
    ]  # fmt: skip
    EventLog(store).append(
        [
            build_document(f"z:{n}", "main", n, replace(e, received_at=START + timedelta(days=n + 1)))
            for n, e in enumerate(events)
        ]
    )


@pytest.fixture
def singapore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have this machine be in Singapore."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Singapore")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
def test_what_matters_fits_80_columns(run: Run, store: Store, locale: str, singapore: None) -> None:
    store_calls(store)
    table = run("events", "--limit", "3", COLUMNS="80", IPECS_MW_LOCALE=locale).stdout
    lines = table.splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "UTC+08" in lines[0]
    assert shipped_texts(locale).word("disconnect_causes", 16)[:6] in lines[1]
    assert "0698765432" in lines[2]
    assert "김철수" in lines[2]
    assert "0612345678" in lines[3]


def test_in_a_pipe_nothing_is_cut_and_nothing_padded(run: Run, store: Store) -> None:
    text = "long " * 80
    EventLog(store).append([build_document("z:1", "main", 1, Event("acd", "x", START, data={"note": text}))])
    table = run("events", "--limit", "0", COLUMNS="").stdout
    assert text.strip() in table
    assert [line for line in table.splitlines() if line != line.rstrip()] == []


def test_the_table_is_written_while_it_is_read(store: Store) -> None:
    given = 0

    def read() -> Iterator[Any]:
        nonlocal given
        for given in range(1, 10_001):
            yield {"_id": str(given), "kind": "acd", "type": "x", "received_at": START}

    lines = write_table(read(), shipped_texts("en-GB"), now=START)
    next(lines)
    assert given <= 100
    assert sum(1 for _ in lines) == 10_000


def test_csv_has_a_column_a_fact_and_the_same_columns_whatever_happened(run: Run, store: Store) -> None:
    head = run("events", "--format", "csv", "--limit", "1").stdout.splitlines()[0]
    store_calls(store)
    shown = run("events", "--format", "csv", "--limit", "3").stdout
    assert shown.splitlines()[0] == head
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert [row["data.caller_name"] for row in rows] == ["", "김철수", ""]
    assert [row["data.number1"] for row in rows] == ["", "", "0612345678"]
    assert [row["stations"] for row in rows] == ["", "0100", "0100"]
    assert json.loads(rows[0]["data"]) == {"odd": [1]}
    smdr = run("events", "--format", "csv", "--kind", "smdr").stdout.splitlines()[0]
    assert "data.number1" in smdr
    assert "data.caller_name" not in smdr


def test_columns_can_be_chosen(run: Run, store: Store) -> None:
    store_calls(store)
    shown = run(
        "events", "--format", "csv", "--limit", "2", "--columns", "stations, data.caller_number,data"
    ).stdout
    assert list(csv.reader(io.StringIO(shown))) == [
        ["stations", "data.caller_number", "data"],
        ["", "", '{"disconnect_cause": 16, "odd": [1]}'],
        ["0100", "0698765432", '{"caller_name": "김철수", "source_number": "001"}'],
    ]


def test_a_byte_order_mark_stands_first_where_it_is_asked_for(run: Run) -> None:
    assert run("events", "--format", "csv", "--bom").stdout.startswith("\ufeff_id,")
    assert run("events", "--format", "csv").stdout.startswith("_id,")


@pytest.mark.parametrize("server", ["replica set", "standalone"])
@pytest.mark.parametrize("options", [("--after", "h:0025"), ("--since", "2026-03-02T10:13:00Z")])
def test_following_begins_with_what_is_stored_and_tells_nothing_twice(
    request: pytest.FixtureRequest, server: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    name = "mongo_uri" if server == "replica set" else "standalone_uri"
    opened = request.getfixturevalue("store" if server == "replica set" else "standalone_store")
    uri = request.getfixturevalue(name)
    uri = uri if server == "replica set" else uri + opened.database.name
    (tmp_path / "b.json").write_text(json.dumps({"mongo_uri": uri}))
    EventLog(opened).append([_gap(number) for number in range(30)])
    command = [
        sys.executable,
        "-m",
        "ipecs_mw",
        "--bootstrap",
        str(tmp_path / "b.json"),
        "events",
        "--follow",
    ]
    with subprocess.Popen(
        [*command, *options, "--format", "jsonl", "--limit", "7"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline())["_id"] for _ in range(4)]
        EventLog(opened).append([_gap(number) for number in (30, 31, 32, 33)])
        rest = [json.loads(line)["_id"] for line in process.stdout]
        assert process.wait(60) == 0
    assert first == ["h:0026", "h:0027", "h:0028", "h:0029"]
    assert rest == ["h:0030", "h:0031", "h:0032"]


def _gap(number: int) -> dict[str, Any]:
    event = Event("system", "gap", START + timedelta(minutes=number // 2))
    return build_document(f"h:{number:04d}", "main", number, event)


def test_the_table_of_following_has_a_head_at_once_and_a_line_an_event() -> None:
    events = [{"_id": str(n), "kind": "acd", "type": "x" * 50 * n, "received_at": START} for n in range(3)]
    lines = write_table(iter(events), shipped_texts("en-GB"), now=START, is_live=True)
    assert next(lines).startswith("Time (")
    assert len(list(lines)) == 3
