"""The log's way out hangs, closes, moves or disappears under a daemon that runs."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from faults.oracle import Witness
from faults.recording import Rounds
from sites import PASSWORD, USER, Site, is_streaming, wait_until
from stopwatch import Stopwatch

from ipecs_mw.store.server.mongod import find_free_port

_UP_SECONDS = 60.0
_PIPE_BYTES = 4096


@contextmanager
def pipe_that_nobody_reads() -> Iterator[tuple[int, int]]:
    """Yield both ends of a pipe of 4 KiB that is full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.write(writer, b"x" * _PIPE_BYTES)
    try:
        yield reader, writer
    finally:
        for descriptor in (reader, writer):
            with suppress(OSError):
                os.close(descriptor)


def start(site: Site, stdout: int, **options: Any) -> subprocess.Popen[str]:
    process: subprocess.Popen[str] = subprocess.Popen(
        site.command("run"),
        env={**os.environ, "CANARY": PASSWORD},
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        text=True,
        **options,
    )
    site.processes.append(process)
    return process


def configure(site: Site, **settings: Any) -> None:
    changes = {path.replace("__", "."): value for path, value in settings.items()}
    site.store.database["config"].update_one({"_id": "default"}, {"$set": changes})


def find_lease(site: Site) -> dict[str, Any]:
    """Return the lease of the account."""
    lease = site.store.database["leases"].find_one({"_id": {"$regex": USER}})
    assert lease is not None
    return lease


def ask(port: int, path: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the status and the reasons that the health port tells."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)["reasons"]
    except HTTPError as error:
        return error.code, json.load(error)["reasons"]
    except OSError:
        return 0, []


def drain(reader: int, until: str, seconds: float = _UP_SECONDS) -> str:
    """Read a pipe until a word comes."""
    os.set_blocking(reader, False)
    found = b""

    def has_come() -> bool:
        nonlocal found
        with suppress(BlockingIOError):
            while more := os.read(reader, 65536):
                found += more
        return until.encode() in found

    wait_until(has_come, seconds)
    return found.decode()


@pytest.mark.fault(46, few=2, many=10)
def test_a_stdout_that_nobody_reads_holds_up_nothing(witness: Witness, rounds: Rounds) -> None:
    site, host, port = witness.site, witness.host, find_free_port()
    site.configure(host)
    configure(site, health={"port": port}, logging={"level": "DEBUG", "format": "text", "file": None})
    with pipe_that_nobody_reads() as (_, writer):
        process = start(site, writer)
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        wait_until(lambda: [each["file"] for each in ask(port, "/healthz")[1]] == ["stdout"], _UP_SECONDS)
        assert ask(port, "/healthz")[0] == 503
        assert ask(port, "/readyz")[1][-1]["reason"] == "logging_stalled"
        for _ in rounds:
            host.drop(how="rst")
            wait_until(lambda: is_streaming(host), _UP_SECONDS)
            witness.await_flow()
        held_until = find_lease(site)["expires_at"]
        wait_until(lambda: find_lease(site)["expires_at"] > held_until, _UP_SECONDS)
        told = site.run("status")
        assert "stdout" in told.stdout
        watch = Stopwatch()
        process.terminate()
        assert process.wait(60) == 0
        assert watch.seconds < 10
        assert not host.sessions, "the account is not logged out"
    site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    witness.judge(may_lose=True)


@pytest.mark.fault(46)
def test_a_log_file_that_hangs_is_told_on_stdout_and_goes_on_when_it_is_read(
    witness: Witness, tmp_path: Path
) -> None:
    site, host, fifo = witness.site, witness.host, tmp_path / "log.fifo"
    os.mkfifo(fifo)
    site.configure(host)
    configure(site, logging={"level": "DEBUG", "format": "text", "file": str(fifo)})
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.write(reader, b"x" * _PIPE_BYTES)
        process = site.start()
        wait_until(lambda: "logging.stalled" in site.logged(), _UP_SECONDS)
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        host.drop(how="rst")
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        witness.await_flow()
        assert "session.up" in drain(reader, "logging.file_resumed")
        process.terminate()
        assert process.wait(60) == 0
    finally:
        os.close(reader)


@pytest.mark.fault(46)
def test_a_stdout_whose_reader_has_gone_holds_up_nothing(witness: Witness) -> None:
    site, host = witness.site, witness.host
    site.configure(host)
    with pipe_that_nobody_reads() as (reader, writer):
        process = start(site, writer)
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        os.close(reader)
        host.drop(how="rst")
        wait_until(lambda: is_streaming(host), _UP_SECONDS)
        witness.await_flow()
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.fault(46)
def test_a_daemon_that_cannot_start_ends_with_its_code_although_nobody_reads_its_log(site: Site) -> None:
    site.store.database["config"].update_one({"_id": "default"}, {"$set": {"colour": "red"}})
    with pipe_that_nobody_reads() as (_, writer):
        assert start(site, writer).wait(60) == 3


@pytest.mark.fault(49, few=2, many=10)
def test_after_a_sighup_the_log_goes_on_in_a_new_file_and_the_session_stays(
    witness: Witness, tmp_path: Path, rounds: Rounds
) -> None:
    site, host, file = witness.site, witness.host, tmp_path / "daemon.log"
    site.configure(host)
    configure(site, logging={"level": "INFO", "format": "text", "file": str(file)})
    process = site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    wait_until(lambda: "session.up" in file.read_text(), _UP_SECONDS)
    for number in rounds:
        file.rename(tmp_path / f"kept.{number}")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: file.exists() and "logging.reopened" in file.read_text())
    witness.await_flow()
    assert process.poll() is None
    assert site.count(type="session_up") == 1
    process.terminate()
    assert process.wait(60) == 0
    assert "daemon.stopped" in file.read_text()
    witness.site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    witness.judge()


@pytest.mark.fault(49)
@pytest.mark.parametrize("fate", ["renamed", "deleted", "folder deleted"])
def test_a_log_file_that_is_taken_away_is_made_anew(witness: Witness, tmp_path: Path, fate: str) -> None:
    site, host, file = witness.site, witness.host, tmp_path / "logs" / "daemon.log"
    site.configure(host)
    configure(site, logging={"level": "INFO", "format": "text", "file": str(file)})
    site.start()
    wait_until(lambda: is_streaming(host), _UP_SECONDS)
    if fate == "renamed":
        file.rename(tmp_path / "kept")
    else:
        file.unlink()
    if fate == "folder deleted":
        file.parent.rmdir()
    host.drop(how="rst")
    wait_until(lambda: file.exists() and "session.up" in file.read_text(), _UP_SECONDS)
    witness.await_flow()


@pytest.mark.fault(49)
def test_a_terminal_that_closes_ends_the_daemon_in_order(witness: Witness) -> None:
    site, host = witness.site, witness.host
    site.configure(host)
    ours, theirs = pty.openpty()
    # a test run under `nohup` has the signal ignored
    command = ["setsid", "--ctty", "env", "--default-signal=HUP", *site.command("run")]
    process: subprocess.Popen[str] = subprocess.Popen(
        command,
        env={**os.environ, "CANARY": PASSWORD},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        text=True,
    )
    site.processes.append(process)
    os.close(theirs)
    try:
        drain_terminal(ours, lambda: is_streaming(host))
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    assert not host.sessions, "the account is not logged out"
    assert site.count(type="daemon_ended") == 1


def drain_terminal(terminal: int, is_so: Any) -> None:
    os.set_blocking(terminal, False)

    def look() -> bool:
        with suppress(OSError):  # nothing to read yet, or nobody there yet
            os.read(terminal, 65536)
        return bool(is_so())

    wait_until(look, _UP_SECONDS)
