"""Call records between the simulated host, the daemon and MongoDB: listed, read back, and deleted once stored."""

import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sites import PASSWORD, USER, Site, is_up, kill, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import Account, SimulatedHost

ZONE = ZoneInfo("Asia/Singapore")
DELETING = {"backfill": True, "delete_after_store": True}


def leave_records(
    host: SimulatedHost, first: int, last: int, *, began_at: datetime | None = None, is_pushed: bool = False
) -> None:
    """Have the host write records with these references, of this minute unless told otherwise."""
    at = began_at or SystemClock().now()

    def write(exchange: Any) -> None:
        for ref in range(first, last + 1):
            record = exchange.pbx.records.add(
                call_ref=ref,
                station=f"10{ref % 10:02}",
                trunk="001",
                began_at=at.astimezone(ZONE),
                duration_seconds=ref,
                direction="O",
                numbers=(f"0123{ref}", "6500620"),
                account="STA-P[9182736455]",
                cause=16,
            )
            if is_pushed:
                exchange.pbx.tell_record(record)

    host.operate(write)


def held(host: SimulatedHost) -> list[int]:
    return host.operate(lambda exchange: [record["Index"] for record in exchange.pbx.records.find({})])


def stored(site: Site) -> list[int]:
    return sorted(event["call_ref"] for event in site.store.database["events"].find({"kind": "smdr"}))


def start(site: Site) -> Any:
    process = site.start()
    wait_until(lambda: is_up(site))
    return process


def stop(process: Any) -> None:
    process.terminate()
    assert process.wait(12) == 0


def has_read(site: Site, times: int) -> bool:
    return site.count(type="smdr_read") >= times


def test_the_shell_lists_counts_filters_and_exports_what_the_host_holds(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, smdr={"backfill": False})
    leave_records(simulated, 1, 600)
    leave_records(simulated, 601, 602, began_at=SystemClock().now() - timedelta(days=30))
    start(site)
    assert site.run("smdr", "--count").stdout == "602\n"
    assert site.run("smdr", "--count", "--since", "1d").stdout == "600\n"
    assert site.run("smdr", "--count", "--until", "1d").stdout == "2\n"
    assert site.run("smdr", "--count", "--number", "0123?", "--station", "100*").stdout == "9\n"
    exported = site.run("smdr", "--format", "jsonl")
    assert exported.returncode == 0, exported.stderr
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [line["call_ref"] for line in lines] == list(range(1, 603)), "all pages, in order"
    assert "9182736455" not in exported.stdout
    table = site.run("smdr", "--number", "01231", "--station", "1001").stdout
    assert "01231" in table
    assert "01232" not in table
    rows = list(csv.DictReader(io.StringIO(site.run("smdr", "--station", "1002", "--format", "csv").stdout)))
    assert len(rows) == 61
    assert {row["stations"] for row in rows} == {"1002"}
    assert "9182736455" not in json.dumps(list(site.store.database["requests"].find()), default=str)
    wrong = site.run("smdr", "--host", "nowhere")
    assert wrong.returncode == 2
    assert "host0" in wrong.stderr


@pytest.mark.parametrize("captions", [None, ["CLI Number", "DID"]])
def test_the_captions_of_the_number_fields_are_configured_or_found_out(
    site: Site, captions: list[str] | None
) -> None:
    with SimulatedHost(
        accounts=(Account(USER, PASSWORD),), is_scripted=False, smdr_captions=("CLI Number", "DID")
    ) as host:
        site.configure(host, smdr={"backfill": False, "number_captions": captions})
        leave_records(host, 1, 3)
        start(site)
        assert site.run("smdr", "--count", "--number", "01232").stdout == "1\n"


def test_what_was_missed_is_read_and_a_record_that_came_both_ways_is_one_document(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    leave_records(simulated, 1, 5, began_at=SystemClock().now() - timedelta(days=2))
    process = start(site)
    wait_until(lambda: has_read(site, 1))
    leave_records(simulated, 6, 10, is_pushed=True)
    wait_until(lambda: stored(site) == [6, 7, 8, 9, 10])
    stop(process)
    at = SystemClock().now()  # of the same minute, however long what lies between takes
    leave_records(simulated, 11, 700, began_at=at)
    process = start(site)
    wait_until(lambda: has_read(site, 2))
    wait_until(lambda: len(stored(site)) == 695)
    assert stored(site) == list(range(6, 701)), "what an empty log began after is not fetched"
    marks = list(site.store.database["events"].find({"type": "smdr_read"}).sort("received_at", 1))
    assert [mark["data"]["count"] for mark in marks] == [0, 690]
    assert marks[1]["data"]["index"] == 700
    leave_records(simulated, 700, 701, began_at=at, is_pushed=True)  # 700 again, with another index
    wait_until(lambda: 701 in stored(site))
    assert stored(site) == list(range(6, 702))
    assert held(simulated)[0] == 1, "nothing is deleted unless that is wanted"
    for text in (site.logged(), json.dumps(list(site.store.database["events"].find()), default=str)):
        assert "9182736455" not in text


def test_call_events_that_are_missing_have_the_records_read(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    start(site)
    wait_until(lambda: has_read(site, 1))
    wait_until(lambda: site.count(type="monitor_started") == 2)
    leave_records(simulated, 1, 3)
    for serial in (1, 5):
        data = {"type": "dialing", "deviceNumber": "1001", "callRefID": serial, "evtSerialNum": serial}
        simulated.send(json.dumps({"event": "call", "data": data}))
    wait_until(lambda: stored(site) == [1, 2, 3], 20)
    gap = site.store.database["events"].find_one({"type": "gap"})
    assert gap is not None
    assert (gap["data"]["first_serial"], gap["data"]["last_serial"]) == (2, 4)


def test_records_are_deleted_at_the_host_once_all_of_them_are_stored(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, smdr=DELETING)
    leave_records(simulated, 1, 1200, began_at=SystemClock().now() - timedelta(days=2))
    start(site)
    wait_until(lambda: not held(simulated))
    assert stored(site) == list(range(1, 1201))
    wait_until(lambda: site.count(type="smdr_deleted") == 3)


def test_nothing_is_deleted_without_the_right_and_the_session_goes_on(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, smdr=DELETING)
    simulated.set_licence("API-SMDR", is_there=False)
    leave_records(simulated, 1, 3)
    start(site)
    wait_until(lambda: "smdr.refused" in site.logged())
    assert held(simulated) == [1, 2, 3]
    assert is_up(site)


@pytest.mark.parametrize("kind", ["html", "empty", "500"])
def test_a_reading_whose_reply_is_wrong_is_repeated_with_the_next_connection(
    site: Site, simulated: SimulatedHost, kind: str
) -> None:
    site.configure(simulated, smdr=DELETING)
    leave_records(simulated, 1, 3)
    simulated.answer_wrongly(kind, count=1, feature="smdr")
    start(site)
    wait_until(lambda: "smdr.failed" in site.logged())
    simulated.drop(how="rst")
    wait_until(lambda: not held(simulated))
    assert stored(site) == [1, 2, 3]


def test_a_daemon_killed_while_it_reads_and_deletes_loses_and_doubles_no_record(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated, smdr=DELETING)
    leave_records(simulated, 1, 3000)
    for left in (2999, 2000):
        process = site.start()
        wait_until(lambda left=left: len(held(simulated)) <= left)  # type: ignore[misc]
        kill(process)
        assert set(stored(site)) | set(held(simulated)) == set(range(1, 3001))
    start(site)
    wait_until(lambda: not held(simulated))
    assert stored(site) == list(range(1, 3001))
