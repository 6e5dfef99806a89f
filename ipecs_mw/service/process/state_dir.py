"""The folder of local state: journals, remembered tokens and settings; one daemon at a time."""

import fcntl
import os
from pathlib import Path

from ipecs_mw.errors import CannotStart


def lock_state_dir(folder: Path) -> int:
    """Make `folder` (mode 0700) and hold it for this process; return the descriptor that holds it.

    The lock ends with the process, however it ends. Raises CannotStart where another daemon holds it or it
    cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise CannotStart("error.state_dir", folder=str(folder), reason=error.strerror) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
        os.close(descriptor)
        raise CannotStart("error.state_dir_in_use", folder=str(folder), owner=owner) from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:  # such as a full disk
        os.close(descriptor)
        raise CannotStart("error.state_dir", folder=str(folder), reason=error.strerror) from error
    return descriptor


def keep_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read (mode 0600), whole or not at all; raises OSError."""
    fresh = path.with_name(path.name + ".new")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)
