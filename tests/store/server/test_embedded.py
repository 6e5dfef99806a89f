"""A mongod of our own: found, started, shared, ended; and why it did not start."""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

import ipecs_mw
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.server import embedded, mongod
from ipecs_mw.store.server.embedded import Embedded, open_embedded
from ipecs_mw.store.server.mongod import find_mongod, is_answering, start_mongod

USER = """
import sys
from pathlib import Path
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.server.embedded import open_embedded
with open_embedded(Path(sys.argv[1]), SystemClock()):
    print("open", flush=True)
    sys.stdin.read()
"""


def open_here(directory: Path) -> Embedded:
    return open_embedded(directory, SystemClock())


def start_user(directory: Path) -> subprocess.Popen[str]:
    """Return another process that has the directory open until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        env={**os.environ, "PYTHONPATH": str(Path(ipecs_mw.__file__).parent.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line == "open\n":
            return process
    raise AssertionError(process.wait(10))


def end_user(process: subprocess.Popen[str], *, is_killed: bool = False) -> None:
    if is_killed:
        process.kill()
    process.communicate(timeout=30)


@contextmanager
def listening(port: int) -> Iterator[None]:
    """Occupy a port with something that hangs up on whoever connects."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def mongod_pid(directory: Path) -> int:
    return int((directory / "data/mongod.lock").read_text())


def is_gone(pid: int) -> bool:
    """Wait, at most five seconds, until a process has ended, be it reaped or not."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        threading.Event().wait(0.01)
    return False


def put_program(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "mongod"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv(mongod.VARIABLE, str(program))
    return program


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """An empty directory whose server, should a test leave one, is ended afterwards."""
    directory = tmp_path / "mongo"
    yield directory
    if (directory / "access.json").exists():
        access = json.loads((directory / "access.json").read_text())
        if is_answering(access["port"]):
            os.kill(mongod_pid(directory), signal.SIGKILL)


def test_the_server_asks_for_a_password_and_takes_writes(mongo: Embedded) -> None:
    anonymous = MongoClient[dict[str, object]]("127.0.0.1", mongo.access.port, directConnection=True)
    with anonymous, pytest.raises(OperationFailure, match="authentication"):
        anonymous["x"]["y"].find_one()
    with MongoClient[dict[str, object]](mongo.uri) as client:
        options = client.admin.command("getCmdLineOpts")["parsed"]
        assert options["net"]["bindIp"] == "127.0.0.1"
        assert options["net"]["compression"]["compressors"] == "disabled"
        assert options["replication"]["replSet"] == mongo.access.replica_set


def test_what_is_secret_is_readable_by_us_alone(mongo: Embedded) -> None:
    for name in ("access.json", "keyfile"):
        assert (mongo.directory / name).stat().st_mode & 0o777 == 0o600
    command_line = Path(f"/proc/{mongod_pid(mongo.directory)}/cmdline").read_bytes()
    assert mongo.access.password.encode() not in command_line


def test_the_server_is_out_of_reach_of_the_terminals_ctrl_c(mongo: Embedded) -> None:
    assert os.getsid(mongod_pid(mongo.directory)) != os.getsid(0)


def test_the_last_of_two_processes_out_ends_the_server(directory: Path) -> None:
    ours = open_here(directory)
    other = start_user(directory)
    port = ours.access.port
    ours.close()
    ours.close()  # closing twice is leaving once
    assert is_answering(port)
    end_user(other)
    assert not is_answering(port)


def test_a_killed_owner_leaves_a_server_that_the_next_one_ends(directory: Path) -> None:
    owner = start_user(directory)
    pid = mongod_pid(directory)
    end_user(owner, is_killed=True)
    with open_here(directory) as ours:
        assert mongod_pid(directory) == pid
        port = ours.access.port
    assert not is_answering(port)


def test_data_port_and_password_stay_and_a_taken_port_is_replaced(directory: Path) -> None:
    with open_here(directory) as first, MongoClient[dict[str, object]](first.uri) as client:
        client["x"]["y"].insert_one({"_id": 1})
    with (
        listening(first.access.port),
        open_here(directory) as second,
        MongoClient[dict[str, object]](second.uri) as client,
    ):
        assert second.access == replace(first.access, port=second.access.port)
        assert second.access.port != first.access.port
        assert client["x"]["y"].find_one() == {"_id": 1}
    with open_here(directory) as third:
        assert third.access == second.access


def test_a_server_that_was_killed_is_started_again_with_its_data(directory: Path) -> None:
    with open_here(directory) as first:
        with MongoClient[dict[str, object]](first.uri, w="majority", journal=True) as client:
            client["x"]["y"].insert_one({"_id": 1})
        os.kill(mongod_pid(directory), signal.SIGKILL)
        with open_here(directory) as second, MongoClient[dict[str, object]](second.uri) as client:
            assert client["x"]["y"].find_one() == {"_id": 1}


@pytest.mark.parametrize("has_initiated", [False, True], ids=["before rs.initiate", "before the user"])
def test_a_first_start_that_was_killed_in_between_is_completed(directory: Path, has_initiated: bool) -> None:
    (directory / "data").mkdir(parents=True)
    access = embedded._new_access(directory)
    embedded._save_access(directory, access)
    arguments = ["--port", str(access.port), "--replSet", access.replica_set]
    assert start_mongod(directory, [*arguments, "--keyFile", str(directory / "keyfile")], seconds=60) == 0
    if has_initiated:
        with embedded._client(access) as anonymous:
            embedded._initiate(anonymous, access)
    with open_here(directory) as completed, MongoClient[dict[str, object]](completed.uri) as client:
        assert completed.access == access
        client["x"]["y"].insert_one({})


def test_a_directory_that_another_mongod_uses_is_refused(directory: Path) -> None:
    (directory / "data").mkdir(parents=True)
    port = mongod.find_free_port()
    assert start_mongod(directory, ["--port", str(port)], seconds=60) == 0
    try:
        with pytest.raises(CannotStart) as caught:
            open_embedded(directory, SystemClock(), patience_seconds=0.5)
        assert caught.value.key == "error.embedded_in_use"
        assert is_answering(port)
    finally:
        os.kill(mongod_pid(directory), signal.SIGKILL)


def test_a_lost_password_is_told_as_such(directory: Path) -> None:
    open_here(directory).close()
    access = json.loads((directory / "access.json").read_text())
    (directory / "access.json").write_text(json.dumps({**access, "password": "another"}))
    with pytest.raises(CannotStart) as caught:
        open_here(directory)
    assert caught.value.key == "error.embedded_password"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"port": 1}'])
def test_a_damaged_access_file_is_named(directory: Path, content: str) -> None:
    directory.mkdir()
    (directory / "access.json").write_text(content)
    with pytest.raises(CannotStart) as caught:
        open_here(directory)
    assert caught.value.key == "error.embedded_access"
    (directory / "access.json").unlink()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart) as caught:
        open_here(tmp_path / "file" / "mongo")
    assert caught.value.key == "error.embedded_directory"
    assert caught.value.facts["reason"] == "Not a directory"


def test_the_variable_comes_before_the_path_and_the_path_before_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, wheel = put_program(tmp_path, "", monkeypatch), tmp_path / "site" / mongod._IN_WHEEL
    on_path = tmp_path / "bin" / "mongod"
    for program in (on_path, wheel):
        program.parent.mkdir(parents=True)
        shutil.copy(named, program)
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert find_mongod() == named
    monkeypatch.delenv(mongod.VARIABLE)
    assert find_mongod() == on_path
    monkeypatch.setenv("PATH", "")
    assert find_mongod() == wheel
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(CannotStart) as caught:
        find_mongod()
    assert caught.value.key == "error.mongod_missing"
    assert caught.value.facts == {"variable": mongod.VARIABLE, "package": mongod.WHEELS["linux", "x86_64"]}


@pytest.mark.parametrize(
    ("system", "machine", "key"),
    [
        ("darwin", "arm64", "error.mongod_missing"),
        ("darwin", "x86_64", "error.mongod_missing_here"),
        ("linux", "aarch64", "error.mongod_missing_here"),
        ("freebsd14", "amd64", "error.mongod_missing_here"),
    ],
)
def test_a_machine_that_no_package_has_a_mongod_for_is_told_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, key: str
) -> None:
    monkeypatch.delenv(mongod.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(CannotStart) as caught:
        find_mongod()
    said = shipped_texts("en-GB").explain(caught.value)
    assert caught.value.key == key
    assert mongod.VARIABLE in said
    assert ("mongo_uri" in said) == (key == "error.mongod_missing_here")


def test_the_extra_and_the_constraints_choose_the_packages_that_the_program_names() -> None:
    root = Path(mongod.__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert sorted(project["optional-dependencies"]["embedded"]) == sorted(
        f"{package}; sys_platform == '{system}' and platform_machine == '{machine}'"
        for (system, machine), package in mongod.WHEELS.items()
    )
    pinned = (root / "constraints.txt").read_text("utf-8")
    assert all(package in pinned for package in mongod.WHEELS.values())


def test_a_variable_that_names_no_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mongod.VARIABLE, str(tmp_path))
    with pytest.raises(CannotStart) as caught:
        find_mongod()
    assert caught.value.key == "error.mongod_named_wrong"


@pytest.mark.parametrize(
    ("library", "package"),
    [("libcurl.so.4", "libcurl4"), ("libcrypto.so.3", "libssl3"), ("libodd.so.1", "libodd.so.1")],
)
def test_a_missing_library_is_named_with_its_package(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, package: str
) -> None:
    said = f"mongod: error while loading shared libraries: {library}: cannot open shared object file"
    put_program(tmp_path, f"echo '{said}' >&2; exit 127", monkeypatch)
    with pytest.raises(CannotStart) as caught:
        open_here(directory)
    assert caught.value.key == "error.mongod_library"
    assert (caught.value.facts["library"], caught.value.facts["package"]) == (library, package)


def test_data_of_another_version_is_told(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(tmp_path, "exit 62", monkeypatch)
    with pytest.raises(CannotStart, match=r"error\.mongod_other_version"):
        open_here(directory)


def test_what_is_not_a_program_cannot_be_run(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(tmp_path, "", monkeypatch).write_bytes(b"\x7fELF nonsense")
    with pytest.raises(CannotStart, match=r"error\.mongod_not_run"):
        open_here(directory)


def test_any_other_end_is_told_with_the_servers_last_words(directory: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        open_embedded(directory, SystemClock(), options=["--nonsense"])
    assert caught.value.key == "error.mongod_failed"
    assert "nonsense" in caught.value.facts["log"]


def test_a_server_that_is_late_is_ended(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "sleep 60 >/dev/null 2>&1 & echo forked process: $!; echo $! > pid; wait"
    put_program(tmp_path, script, monkeypatch)
    with pytest.raises(CannotStart) as caught:
        open_embedded(directory, SystemClock(), start_seconds=0.3)
    assert caught.value.key == "error.mongod_late"
    assert is_gone(int((directory / "pid").read_text()))


def test_a_server_that_stopped_answering_is_not_waited_for_for_ever(directory: Path) -> None:
    with open_here(directory) as ours:
        pid = mongod_pid(directory)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(CannotStart) as caught:
                open_embedded(directory, SystemClock(), patience_seconds=0.5)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert caught.value.key == "error.embedded_in_use"
        assert json.loads((directory / "access.json").read_text())["port"] == ours.access.port
