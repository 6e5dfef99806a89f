"""The disk of the state directory: full or read-only at the start, full at the stop."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.oracle import Witness
from faults.test_local_disk import fill_up
from sites import is_streaming, wait_until

_UP_SECONDS = 60.0


def mount(folder: Path, options: str) -> bool:
    arguments = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return os.geteuid() == 0 and subprocess.run(arguments, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The state directory of the test's site on a disk of its own, 24 MiB large."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    if not mount(folder, "size=24m,mode=0700"):
        pytest.skip("only root may mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("room_bytes", [0, 8192])
def test_a_full_disk_at_the_start_is_named_and_with_room_it_starts(
    disk: Path, witness: Witness, room_bytes: int
) -> None:
    site = witness.site
    site.configure(witness.host)
    ballast = disk / "of-another-program"
    fill_up(ballast)
    os.truncate(ballast, ballast.stat().st_size - room_bytes)
    ended = site.run("run")
    assert ended.returncode == 3, ended.stderr
    assert str(disk) in ended.stderr
    ballast.unlink()
    site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.judge()


def test_a_read_only_disk_at_the_start_is_named(disk: Path, witness: Witness) -> None:
    witness.site.configure(witness.host)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    ended = witness.site.run("run")
    assert ended.returncode == 3
    assert str(disk) in ended.stderr


@pytest.mark.fault(39)
def test_a_stop_on_a_full_disk_is_as_any_other(disk: Path, witness: Witness) -> None:
    site = witness.site
    site.configure(witness.host)
    process = site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()
    ballast = disk / "of-another-program"
    fill_up(ballast)
    process.terminate()
    assert process.wait(12) == 0
    assert not witness.host.sessions
    ballast.unlink()
    site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.judge()
