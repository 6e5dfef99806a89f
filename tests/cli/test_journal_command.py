"""`ipecs-mw journal`: what a journal holds, written out, and handed over once it was set aside."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from support import START_AT

from ipecs_mw.cli import cli
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.journal.file import FORMAT
from ipecs_mw.journal.journal import Arrival, Journal, open_journal
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.decoding import Reading, encode_reading
from ipecs_mw.service.intake.pipeline import Pipeline, open_intake
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store

CLOCK = SystemClock()
HOST = "main"  # the host of the shipped configuration

Run = Callable[..., tuple[Result, str]]


def ring(number: int) -> bytes:
    return json.dumps({"event": "acd", "data": {"eventCode": 66, "callRefID": number}}).encode()


@pytest.fixture
def run(mongo_uri: str, tmp_path: Path) -> Run:
    """Runs the command; gives its result, and the sentence of its error where it failed with one."""
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps({"mongo_uri": mongo_uri}))

    def invoke(*arguments: object) -> tuple[Result, str]:
        options = ["--bootstrap", str(bootstrap), "--state-dir", str(tmp_path / "state")]
        result = CliRunner().invoke(cli, [*options, "journal", *map(str, arguments)])
        error = result.exception
        return result, shipped_texts("en-GB").explain(error) if isinstance(error, IpecsMwError) else ""

    return invoke


def fill(path: Path, *bodies: bytes) -> Journal:
    journal, _ = open_journal(path, CLOCK)
    journal.append([Arrival(1, START_AT, "frame", body) for body in bodies])
    return journal


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)


def test_check_says_what_each_journal_of_the_state_directory_holds(run: Run, tmp_path: Path) -> None:
    fill(tmp_path / "state" / "host-main.journal", ring(1), ring(2)).close()
    fill(tmp_path / "state" / "middleware.journal").close()
    result, _ = run("check")
    assert result.exit_code == 0
    assert "host-main.journal\n  format 1, entries 2, oldest 2026-03-02" in result.output
    assert result.output.count("not damaged") == 2
    found = json.loads(run("check", "--format", "json")[0].output)
    assert [journal["entries"] for journal in found] == [2, 0]


def test_check_reads_a_journal_that_is_open(run: Run, tmp_path: Path) -> None:
    journal = fill(tmp_path / "state" / "host-main.journal", ring(1))
    assert "entries 1" in run("check")[0].output
    journal.close()


def test_check_fails_where_a_journal_is_damaged_and_names_it(run: Run, tmp_path: Path) -> None:
    whole, damaged = tmp_path / "state" / "host-a.journal", tmp_path / "state" / "host-b.journal.damaged-1"
    fill(whole, ring(1)).close()
    fill(damaged, *[b"x" * 500] * 500).close()
    damage(damaged, 20)
    (tmp_path / "state" / "host-c.journal").write_bytes(b"nothing" * 1000)
    result, _ = run("check")
    assert result.exit_code == 1
    assert result.output.count("DAMAGED") == 2
    assert "host-b.journal.damaged-1\n  format 1, entries 500" in result.output
    assert run("check", whole)[0].exit_code == 0


def test_check_of_an_empty_place_says_so(run: Run, tmp_path: Path) -> None:
    result, _ = run("check")
    assert (result.exit_code, result.output) == (0, f"There are no journals in {tmp_path / 'state'}.\n")


def test_export_writes_text_as_text_and_bytes_in_base64(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    fill(path, ring(7), b"\xff\x00").close()
    output = tmp_path / "out.jsonl"
    result, _ = run("export", path, "--output", output)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 entries written, 0 could not be read" in result.stderr
    first, second = (json.loads(line) for line in output.read_text().splitlines())
    assert json.loads(first["body"])["data"]["callRefID"] == 7
    assert (first["seq"], first["connection"], first["source"]) == (1, 1, "frame")
    assert first["received_at"] == START_AT.isoformat()
    assert second["body_base64"] == "/wA="
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_export_of_a_damaged_journal_writes_the_rest_and_says_how_much_is_lost(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "a.journal"
    fill(path, *[b"x" * 500] * 1000).close()
    damage(path, 30)
    result, _ = run("export", path)
    written = len(result.stdout.splitlines())
    assert 0 < 1000 - written <= 8
    assert f"{written} entries written, {1000 - written} could not be read" in result.stderr


def forward(store: Store, folder: Path, count: int) -> None:
    """Have the forwarder of the host store what waits in its journal."""
    intake = open_intake(f"host-{HOST}", HOST, folder, CLOCK)
    forwarding = Pipeline(
        intake, Decoder(read_json("codes.json"), ZoneInfo("Asia/Singapore")).decode, EventLog(store), CLOCK
    )
    forwarding.start()
    assert forwarding.drain(30) == 0
    intake.journal.close()
    assert store.database["events"].count_documents({}) == count


def test_requeue_stores_what_mongodb_has_not_and_doubles_nothing(
    run: Run, seeded: Store, tmp_path: Path
) -> None:
    path = tmp_path / "state" / f"host-{HOST}.journal"
    fill(path, *map(ring, range(3))).close()
    aside = path.with_name(f"{path.name}.damaged-1")
    shutil.copy(path, aside)
    forward(seeded, path.parent, 3)
    before = list(seeded.database["events"].find().sort("_id"))
    seeded.database["events"].delete_one({"call_ref": 1})
    result, _ = run("requeue", aside)
    assert result.exit_code == 0
    assert "3 entries" in result.output
    assert "0 could not be read" in result.output
    assert list(seeded.database["events"].find().sort("_id")) == before
    assert not aside.exists()
    assert aside.with_name(f"{aside.name}.requeued").exists()


def test_requeue_stores_what_can_be_read_of_a_damaged_journal(
    run: Run, seeded: Store, tmp_path: Path
) -> None:
    aside = tmp_path / f"host-{HOST}.journal.damaged-1"
    fill(aside, *(ring(n) + b" " * 400 for n in range(2500))).close()
    damage(aside, 40)
    damage(aside, 90)
    result, _ = run("requeue", aside)
    assert result.exit_code == 0
    stored = [event["call_ref"] for event in seeded.database["events"].find().sort("_id")]
    assert stored == sorted(set(stored))
    assert 2460 < len(stored) < 2500
    assert f"{len(stored)} entries" in result.output
    assert f"{2500 - len(stored)} could not be read" in result.output


def test_a_copy_is_requeued_for_the_host_that_is_named(run: Run, seeded: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    fill(copy, ring(1)).close()
    _, error = run("requeue", copy)
    assert "--host" in error
    _, error = run("requeue", copy, "--host", "nobody")
    assert "nobody" in error
    assert HOST in error
    assert run("requeue", copy, "--host", HOST)[0].exit_code == 0
    (event,) = seeded.database["events"].find()
    assert (event["host"], event["type"]) == (HOST, "station_ring")


def test_the_middleware_s_own_journal_can_be_requeued(run: Run, seeded: Store, tmp_path: Path) -> None:
    journal, _ = open_journal(tmp_path / "middleware.journal.damaged-1", CLOCK)
    journal.append([Arrival(0, START_AT, "system", b'{"type": "daemon_started", "data": {}}')])
    journal.close()
    assert run("requeue", journal.path)[0].exit_code == 0
    (event,) = seeded.database["events"].find()
    assert event["type"] == "daemon_started"
    assert "host" not in event


def test_a_journal_that_a_daemon_uses_is_not_requeued(run: Run, seeded: Store, tmp_path: Path) -> None:
    path = tmp_path / "state" / f"host-{HOST}.journal"
    fill(path, ring(1)).close()
    result, error = run("requeue", path)
    assert result.exit_code == 1
    assert "in use" in error
    assert path.exists()
    elsewhere = tmp_path / f"host-{HOST}.journal"
    holder = "import sys, sqlite3 as s; d = s.connect(sys.argv[1]); d.execute('SELECT 1 FROM meta'); input(0)"
    shutil.copy(path, elsewhere)
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(elsewhere)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.read(1)
        assert "in use" in run("requeue", elsewhere)[1]
    finally:
        process.communicate("\n", timeout=30)
    assert run("requeue", elsewhere)[0].exit_code == 0


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (f"UPDATE meta SET value = {FORMAT + 6} WHERE name = 'format'", f"format {FORMAT + 6}"),
        ("DELETE FROM meta WHERE name = 'id'", "ID of the journal"),
        ("DROP TABLE entries", "not a journal"),
    ],
)
def test_a_journal_that_cannot_be_requeued_stays_where_it_is(
    run: Run, seeded: Store, tmp_path: Path, statement: str, says: str
) -> None:
    path = tmp_path / f"host-{HOST}.journal.newer-1"
    fill(path, ring(1)).close()
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
    result, error = run("requeue", path)
    assert result.exit_code == 1
    assert says in error
    assert path.exists()
    assert seeded.database["events"].count_documents({}) == 0


@pytest.mark.parametrize("command", ["check", "export", "requeue"])
def test_a_file_that_is_not_there_is_named(run: Run, tmp_path: Path, command: str) -> None:
    result, _ = run(command, tmp_path / "none.journal")
    assert result.exit_code == 2
    assert "none.journal" in result.output


def test_a_file_of_a_host_that_is_no_longer_configured_is_read_as_it_says_itself(
    run: Run, seeded: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    timed = json.dumps({"eventCode": 66, "time": "2026/03/02 10:00:00"}).encode()
    journal = fill(copy, timed)
    journal.keep_reading(encode_reading(Reading("former", "Asia/Tokyo")))
    journal.close()
    assert run("requeue", copy)[0].exit_code == 0
    (event,) = seeded.database["events"].find()
    assert (event["host"], event["at"].hour) == ("former", 1)
