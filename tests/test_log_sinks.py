"""Where lines go: a queue that holds up nobody, and files that several processes may share."""

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sites import wait_until

from ipecs_mw import log_sinks, logs
from ipecs_mw.log_sinks import LogFile, Output, Queued
from ipecs_mw.seeds import shipped_texts

_LINE = "a line of thirty-two characters."


class Gate:
    """A sink that takes lines only while it is open, and fails while it is broken."""

    name = "gate"

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_broken = False
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.is_open.wait()
        if self.is_broken:
            raise OSError(5, "broken")
        self.lines.append(line)

    def close(self) -> None:
        pass


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(gate: Gate) -> Iterator[Callable[[str], None]]:
    """Logs a line through a queue to the gate, beside what else is logged."""
    logs.configure(shipped_texts("en-GB"), stream=io.StringIO())
    handler = Queued(gate)
    handler.setFormatter(logging.getLogger().handlers[0].formatter)
    logging.getLogger().addHandler(handler)
    yield lambda line: logs.get_logger().info("session.ended", host=line)
    gate.is_open.set()
    for each in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(each)
        each.close()


def test_lines_come_out_whole_and_in_order(gate: Gate, queue: Callable[[str], None]) -> None:
    gate.is_open.set()
    for number in range(200):
        queue(f"line{number}")
    logs.flush(30)
    assert [line.rpartition("=")[2] for line in gate.lines] == [f"line{number}" for number in range(200)]


def test_a_sink_that_hangs_costs_whoever_logs_nothing_but_lines_and_these_are_told(
    gate: Gate, queue: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sinks, "_QUEUED_CHARACTERS", 10_000)
    monkeypatch.setattr(log_sinks, "_STALLED_SECONDS", 0.0)
    for _ in range(1000):
        queue(_LINE)
    wait_until(logs.is_silent)
    (stall,) = logs.find_stalls()
    assert (stall.file, stall.reason) == ("gate", None)
    assert 900 < stall.lost < 1000
    logs.flush(0.05)
    gate.is_open.set()
    wait_until(lambda: any("logging.lines_lost" in line for line in gate.lines))
    kept = sum("session.ended" in line for line in gate.lines)
    assert f"lines={1000 - kept}" in next(line for line in gate.lines if "logging.lines_lost" in line)
    monkeypatch.setattr(log_sinks, "_STALLED_SECONDS", 60.0)
    assert not logs.find_stalls()


def test_a_sink_that_fails_is_told_with_the_reason_until_it_takes_lines_again(
    gate: Gate, queue: Callable[[str], None]
) -> None:
    gate.is_open.set()
    gate.is_broken = True
    queue("lost")
    wait_until(lambda: [stall.reason for stall in logs.find_stalls()] == ["broken"])
    gate.is_broken = False
    queue("kept")
    wait_until(lambda: not logs.find_stalls())
    logs.flush(30)
    assert "host=lost" not in "".join(gate.lines)
    wait_until(lambda: any("logging.file_resumed" in line for line in gate.lines))


def test_a_line_that_cannot_be_put_into_words_is_counted_and_shows_nothing(
    gate: Gate, queue: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("canary-s3cret")

    gate.is_open.set()
    logging.getLogger().handlers = [each for each in logging.getLogger().handlers if isinstance(each, Queued)]
    logging.getLogger("library").warning("says %s", Unspeakable())
    queue("next")
    wait_until(lambda: any("lines=1" in line for line in gate.lines))
    assert capfd.readouterr() == ("", "")


def test_an_output_that_is_not_waited_for_by_others_gets_every_byte() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = [f"{number} {'x' * 5000}" for number in range(50)]
    output = Output("pipe", writer)
    thread = threading.Thread(target=lambda: [output.write(line) for line in lines])
    thread.start()
    found = b""
    while found.count(b"\n") < len(lines):
        found += os.read(reader, 4096)
    thread.join()
    os.close(reader)
    os.close(writer)
    assert found.decode().splitlines() == lines


def test_a_word_that_the_encoding_does_not_know_is_written_as_an_escape() -> None:
    reader, writer = os.pipe()
    Output("pipe", writer, "ascii").write("암호")
    assert os.read(reader, 100) == b"\\uc554\\ud638\n"
    os.close(reader)
    os.close(writer)


WRITES = """
import sys
from ipecs_mw import log_sinks
log_sinks._FILE_BYTES = 20_000
file = log_sinks.LogFile(sys.argv[1])
for number in range(1000):
    file.write(f"{sys.argv[2]} {number} {'x' * 40}")
"""


def test_two_processes_that_share_a_file_lose_no_line_and_rotate_it_one_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "shared.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITES, str(file), name]) for name in ("first", "second")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    files = [file, *(tmp_path / f"shared.log.{number}" for number in range(1, 11))]
    lines = [line for each in reversed(files) if each.exists() for line in each.read_text().splitlines()]
    for name in ("first", "second"):
        assert [int(line.split()[1]) for line in lines if line.startswith(name)] == list(range(1000))
    # while one of them rotates, however long, the other goes on in the file that it has
    assert files[1].exists()


@pytest.mark.parametrize("way", ["renamed", "deleted", "replaced"])
def test_a_file_that_is_taken_away_is_made_anew_with_the_next_line(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a.log"
    file = LogFile(str(path))
    file.write("before")
    if way == "renamed":
        path.rename(tmp_path / "kept")
    else:
        path.unlink()
    if way == "replaced":
        path.write_text("of another\n")
    file.write("after")
    file.close()
    assert path.read_text() == ("of another\nafter\n" if way == "replaced" else "after\n")


def test_a_device_is_written_to_and_its_mode_is_left_alone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    device = tmp_path / "pipe"
    os.mkfifo(device, 0o622)
    mode = device.stat().st_mode
    file = LogFile(str(device))
    file.write("line")
    file.close()
    assert device.stat().st_mode == mode
    os.close(reader)
    os.close(writer)
