"""Starts the program in processes of its own, forked from one that has imported it already.

Importing takes longer than most of what tests ask of a process. `Forker` is the tests' side; run as a program this
module is the other one, which ends with the tests.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

_MOST_BYTES = 1 << 18


class ForkedProcess:
    """A process as `subprocess.Popen` has it, as far as tests use one."""

    def __init__(self, forker: "Forker", pid: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = args
        self.returncode: int | None = None
        self._forker = forker
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], seconds)[0]:
            self.returncode = self._forker.ask({"wait": self.pid})
            os.close(self._end)
        return self.returncode


class Forker:
    """Starts processes; `close` ends what starts them, not those that run."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=(theirs.fileno(),)
            )

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: IO[Any], errors: IO[Any]
    ) -> ForkedProcess:
        """Start `ipecs-mw` with `arguments`; it reads nothing."""
        request = {"arguments": list(arguments), "environment": dict(environment)}
        pid = self.ask(request, (output.fileno(), errors.fileno()))
        return ForkedProcess(self, pid, arguments)

    def ask(self, request: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._ours, [json.dumps(request).encode()], list(descriptors))
            return int(self._ours.recv(_MOST_BYTES))

    def close(self) -> None:
        self._ours.close()
        self._process.wait(10)


def serve(connection: socket.socket) -> Mapping[str, Any] | None:
    """Answer until the tests end; return None then, and in each new process what it is to run."""
    while True:
        message, descriptors, *_ = socket.recv_fds(connection, _MOST_BYTES, 2)
        if not message:
            return None
        request = json.loads(message)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            connection.close()
            for number, descriptor in enumerate(descriptors, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            return request
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(str(answer).encode())


def main() -> None:
    import random  # noqa: PLC0415 - the tests' side needs none of these

    import click.shell_completion  # noqa: F401, PLC0415 - `cli.root` itself reads the environment

    import ipecs_mw.daemon  # noqa: F401, PLC0415
    from ipecs_mw import cli  # noqa: PLC0415

    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - for as long as the process lives
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    random.seed()
    os.environ.clear()
    os.environ.update(request["environment"])
    if encoding := os.environ.get("PYTHONIOENCODING"):  # as the interpreter does at its start
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["ipecs-mw", *request["arguments"]]
    cli.main()


if __name__ == "__main__":
    main()
