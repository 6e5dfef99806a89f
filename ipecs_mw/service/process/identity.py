"""Which daemon this is, beside all others: an id that stays with its state directory and its machine."""

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path

from ipecs_mw import logs
from ipecs_mw.outside import read_file
from ipecs_mw.service.process.state_dir import keep_private

log = logs.get_logger()

_FILE = "identity"
_LEAST_CHARACTERS = 32
_MACHINE_FILE = Path("/etc/machine-id")


def load_identity(state_dir: Path, machine_file: Path = _MACHINE_FILE) -> str:
    """Return this daemon's id, made at the first start; neither a host name nor a path counts for it.

    A state directory that was copied, here or to another machine, makes another daemon, one that a recreated
    container finds again the same. Where it cannot be kept, the id is another one at each start.
    """
    file = state_dir / _FILE
    own, machine, inode = _load_own(file), "", 0
    with suppress(OSError, ValueError):  # containers often have none
        machine = read_file(machine_file).decode("ascii").strip()
    with suppress(OSError):
        inode = file.stat().st_ino
    return hashlib.sha256(f"{own}\n{machine}\n{inode}".encode()).hexdigest()[:24]


def _load_own(file: Path) -> str:
    with suppress(OSError, ValueError):
        kept = read_file(file).decode("ascii").strip()
        if len(kept) >= _LEAST_CHARACTERS:
            return kept
    made = secrets.token_hex(_LEAST_CHARACTERS // 2)
    try:
        keep_private(file, f"{made}\n".encode())
    except OSError as error:
        log.debug("identity not kept", file=str(file), reason=error.strerror)
    return made
