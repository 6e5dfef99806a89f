"""What is asked of the outside is bounded in time and in bytes, and what does not answer is told."""

import os
import threading
from pathlib import Path

import pytest
from sites import wait_until

from ipecs_mw import outside


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some\nbytes")
    assert outside.read_file(tmp_path / "file") == b"some\nbytes"


def test_what_cannot_be_read_raises_what_reading_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        outside.read_file(tmp_path / "none")


def test_a_pipe_that_nobody_writes_to_is_given_up_and_asked_by_one_thread_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
            outside.read_file(pipe, seconds=0.05)
    assert [thread.name for thread in threading.enumerate()].count(f"ask-{pipe}") == 1
    assert str(pipe) in outside.find_silent(0.1)  # beside what other tests have left to itself
    pipe.write_bytes(b"late")
    wait_until(lambda: str(pipe) not in outside.find_silent(0))


def test_a_pipe_that_is_written_late_gives_what_was_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Timer(0.1, pipe.write_bytes, (b"late",))
    writer.start()
    assert outside.read_file(pipe, seconds=30) == b"late"
    writer.join()


def test_a_file_without_end_is_given_up_by_its_length() -> None:
    with pytest.raises(OSError, match="longer than 1000 bytes"):
        outside.read_file("/dev/zero", most_bytes=1000)


def test_what_answers_in_time_is_not_silent() -> None:
    assert outside.ask("question", lambda: 42) == 42
    assert "question" not in outside.find_silent(0)
