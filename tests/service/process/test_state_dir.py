"""The folder of local state belongs to one daemon at a time, and a dead one's goes to the next."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ipecs_mw.errors import CannotStart
from ipecs_mw.service.process.state_dir import lock_state_dir

HOLDER = """
import sys
from pathlib import Path
from ipecs_mw.service.process.state_dir import lock_state_dir
held = lock_state_dir(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_folder_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    os.close(lock_state_dir(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600


def test_a_second_daemon_is_refused_with_the_first_one_s_number_until_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            with pytest.raises(CannotStart) as caught:
                lock_state_dir(tmp_path)
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait(10)
    assert caught.value.facts == {"folder": str(tmp_path), "owner": str(holder.pid)}
    held = lock_state_dir(tmp_path)
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    os.close(held)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart) as caught:
        lock_state_dir(tmp_path / "file" / "state")
    assert caught.value.facts["folder"] == str(tmp_path / "file" / "state")


def test_a_folder_on_a_full_disk_is_named_and_held_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(CannotStart) as caught:
            lock_state_dir(tmp_path)
    assert caught.value.facts == {"folder": str(tmp_path), "reason": os.strerror(errno.ENOSPC)}
    os.close(lock_state_dir(tmp_path))
