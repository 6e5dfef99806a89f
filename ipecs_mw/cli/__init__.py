"""The command line: parse, call, print. Sentences come from the language strings.

This module imports next to nothing, because Ctrl-C while the rest is imported must end quietly too.
"""

import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

_INTERRUPTED = 128 + signal.SIGINT  # as a shell counts


def main() -> NoReturn:
    """Run the command line: exit 0 done or asked to stop, 1 failed, 2 usage, 3 cannot start, 130 after Ctrl-C."""
    sys.unraisablehook = _leave_where_interrupted
    try:
        from ipecs_mw.cli.root import run  # noqa: PLC0415 - takes most of the time of a command

        code = run()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    _leave(code)


def __getattr__(name: str) -> Any:
    """Give `cli` to whoever asks for it."""
    if name != "cli":
        raise AttributeError(name)
    from ipecs_mw.cli.root import cli  # noqa: PLC0415 - see main

    return cli


def _leave(code: int) -> NoReturn:
    """End at once: the threads of the driver would hold the process for half a second, and have nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback here either
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _leave_where_interrupted(raised: "sys.UnraisableHookArgs") -> None:
    """End where an interrupt came within a callback, which cannot hand it on; else as Python does."""
    if issubclass(raised.exc_type, KeyboardInterrupt):
        _leave(_INTERRUPTED)
    sys.__unraisablehook__(raised)
