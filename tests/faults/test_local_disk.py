"""The disk under the journal: full, at its cap, or damaged, while MongoDB hangs and frames come."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from faults.oracle import Witness, count_logins
from faults.recording import Rounds
from faults.servers import ReplicaSet
from sites import is_streaming, is_up, wait_until

_UP_SECONDS = 60.0
_PADDED = json.dumps({"event": "padded", "data": {"number": "@", "padding": "x" * 60_000}})


def begin(witness: Witness, mebibytes: int) -> None:
    witness.site.configure(witness.host)
    witness.site.run("config", "set", "journal.max_mebibytes", str(mebibytes))
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


def overfill(witness: Witness, most: int) -> None:
    """Send until the daemon stops reading, at most so many frames; then wait until it has said so."""
    for _ in range(most):
        if "session.down" in witness.site.logged():
            break
        for _ in range(10):
            witness.send_odd(_PADDED)
    wait_until(lambda: "session.down" in witness.site.logged(), _UP_SECONDS)


def check_alarms(witness: Witness) -> None:
    events = witness.site.store.database["events"]
    alarms = [event["data"]["percent"] for event in events.find({"type": "journal_filling"}).sort("_id")]
    assert alarms == sorted(set(alarms))
    assert len(alarms) <= 3
    assert alarms[-1] >= 95
    assert events.count_documents({"type": "journal_eased"}) == 1
    assert events.find_one({"type": "session_down"})["data"]["reason"] == "error.journal_full"  # type: ignore[index]


@pytest.mark.fault(39)
def test_at_its_cap_the_journal_stops_the_reading_loses_nothing_it_has_and_goes_on_by_itself(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    begin(own_witness, 16)
    own_set.servers[0].signal(signal.SIGSTOP)
    try:
        overfill(own_witness, 60)
        own_witness.send(100)
        ups = own_witness.site.logged().count("session.up")
    finally:
        own_set.servers[0].signal(signal.SIGCONT)
    verdict = own_witness.judge(may_lose=True)
    assert verdict.stored > 200
    assert verdict.gaps == 1
    check_alarms(own_witness)
    assert ups == 1, "it came back before there was room"
    assert own_witness.site.logged().count("session.up") == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The state directory of the test's site on a disk of its own, 64 MiB large."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.fault(39)
def test_a_full_disk_under_the_journal_stops_the_reading_until_there_is_room(
    small_disk: Path, own_witness: Witness, own_set: ReplicaSet
) -> None:
    begin(own_witness, 1024)
    own_set.servers[0].signal(signal.SIGSTOP)
    try:
        overfill(own_witness, 120)
        empty_log(small_disk / "host-host0.journal")  # else the little that it holds is room enough at times
        ballast = small_disk / "of-another-program"
        fill_up(ballast)
        waiting = own_witness.count_waiting()
    finally:
        own_set.servers[0].signal(signal.SIGCONT)
    wait_until(lambda: own_witness.site.count(host="host0") >= waiting, _UP_SECONDS)
    logins = count_logins(own_witness.host)
    ballast.unlink()
    verdict = own_witness.judge(may_lose=True)
    assert logins == 1, "it came back before there was room"
    assert verdict.stored > 400
    assert verdict.gaps == 1
    check_alarms(own_witness)


@pytest.mark.fault(39, few=2, many=4)
def test_a_disk_whose_room_comes_and_goes_is_waited_for_each_time(
    small_disk: Path, own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness, 1024)
    journal = small_disk / "host-host0.journal"
    own_set.servers[0].signal(signal.SIGSTOP)
    try:  # have the file grow: its pages to spare alone are no room
        for _ in range(500):
            own_witness.send_odd(_PADDED)
        wait_until(lambda: journal.stat().st_size > 25 * 1024**2, _UP_SECONDS)
    finally:
        own_set.servers[0].signal(signal.SIGCONT)
    ballast = small_disk / "of-another-program"
    for number in rounds:
        own_witness.await_flow()
        wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)
        wait_until(lambda: is_up(own_witness.site), _UP_SECONDS)
        empty_log(journal)
        fill_up(ballast)
        wait_until(partial(is_told_down, own_witness, number + 1), _UP_SECONDS)
        logins = count_logins(own_witness.host)
        wait_until(lambda: is_full(own_witness), _UP_SECONDS)
        assert count_logins(own_witness.host) == logins, "it came back before there was room"
        ballast.unlink()
        wait_until(lambda: is_streaming(own_witness.host), _UP_SECONDS)
    verdict = own_witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)


@pytest.mark.fault(39)
def test_files_that_may_not_grow_as_under_a_quota_are_survived(own_witness: Witness) -> None:
    begin(own_witness, 1024)
    pid = own_witness.site.processes[0].pid
    former = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024**2, former[1]))
    overfill(own_witness, 60)
    wait_until(lambda: "journal.refused" in own_witness.site.logged(), _UP_SECONDS)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, former)
    assert own_witness.judge(may_lose=True).gaps == 1


def is_told_down(witness: Witness, times: int) -> bool:
    witness.send()
    return witness.site.logged().count("session.down") == times


def is_full(witness: Witness) -> bool:
    """Tell whether the daemon says of itself that the host's journal has no room."""
    query = {"hosts.host0.journal.used_share": 1.0, "hosts.host0.state": {"$ne": "up"}}
    return witness.site.store.database["instances"].count_documents(query) == 1


def empty_log(journal: Path) -> None:
    """Empty the log of a journal that the daemon has open into its file."""
    with closing(sqlite3.connect(journal)) as database:
        wait_until(lambda: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def fill_up(ballast: Path) -> None:
    """Write until the disk has no byte left."""
    with ballast.open("wb", buffering=0) as stream:
        for size in (1024 * 1024, 4096, 1):
            try:
                while stream.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def spoil(path: Path, share: Callable[[int], range]) -> None:
    """Overwrite pages of a file, by their numbers among all of its pages."""
    with path.open("r+b") as stream:
        for page in share(path.stat().st_size // 4096):
            stream.seek(page * 4096)
            stream.write(os.urandom(4096))


@pytest.mark.fault(40)
def test_a_journal_that_is_damaged_while_the_daemon_runs_is_set_aside_and_can_be_requeued(
    own_witness: Witness, own_set: ReplicaSet
) -> None:
    begin(own_witness, 1024)
    journal = own_witness.site.folder / "state" / "host-host0.journal"
    own_set.servers[0].signal(signal.SIGSTOP)
    try:
        for _ in range(500):
            own_witness.send_odd(_PADDED)
        wait_until(lambda: journal.stat().st_size > 20 * 1024**2, _UP_SECONDS)
        # more than an entry is long: of a page that is the end of one, SQLite cannot tell
        spoil(journal, lambda pages: range(pages // 2, pages // 2 + 40))
    finally:
        own_set.servers[0].signal(signal.SIGCONT)
    events = own_witness.site.store.database["events"]
    wait_until(lambda: events.count_documents({"type": "journal_set_aside"}), _UP_SECONDS)
    own_witness.await_flow()
    assert events.count_documents({"type": "gap", "data.reason": "error.journal_damaged"}) == 1
    aside = events.find_one({"type": "journal_set_aside"})["data"]["file"]  # type: ignore[index]
    before = events.count_documents({"kind": {"$ne": "system"}})
    assert own_witness.site.run("journal", "check").returncode == 1
    assert own_witness.site.run("journal", "requeue", aside).returncode == 0
    refs = [document["raw"]["data"]["number"] for document in events.find({"type": "padded"}).sort("_id")]
    numbers = [int(ref.strip("#")) for ref in refs]
    assert numbers == sorted(set(numbers))
    assert before < events.count_documents({"kind": {"$ne": "system"}})
    assert 480 <= len(numbers) < 500
    assert own_witness.site.count(type="session_up") == 1, "the connection to the host was touched"
    assert own_witness.site.run("journal", "check").returncode == 0
