"""Threads whose unexpected end is never silent."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError

log = logs.get_logger()

T = TypeVar("T")

_AFTER_DEFECT_SECONDS = 5.0


class WatchedThread(threading.Thread):
    """A thread of ours that is to go round, or to end soon; `turns.py` watches it."""


class LastingThread(WatchedThread):
    """A thread that is to last until `stop` is set or its work is done; made by `LastingThreads`."""

    def __init__(self, name: str, work: Callable[[], object], clock: Clock, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._clock = clock
        self._asked_to_stop = stop
        self._has_ended = False

    @property
    def is_dead(self) -> bool:
        """Whether it ended although it was neither asked to nor done."""
        return not (self._has_ended or self.is_alive())

    def run(self) -> None:
        """Work; a defect is logged, and the work begun again after a pause."""
        while not self._asked_to_stop.is_set():
            try:
                self._work()
            except Exception:  # a defect must not end what nobody else does
                log.critical("thread.failed", thread=self.name, exc_info=True)
                self._clock.wait(self._asked_to_stop, _AFTER_DEFECT_SECONDS)
            else:
                break
        self._has_ended = True


class LastingThreads:
    """The threads that last as long as the daemon does; used by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: list[LastingThread] = []

    def start(self, name: str, work: Callable[[], object], stop: threading.Event) -> threading.Thread:
        """Start a thread whose work is begun again after a defect, until it returns or `stop` is set."""
        thread = LastingThread(name, work, self._clock, stop)
        thread.start()
        self._threads.append(thread)
        return thread

    def find_dead(self) -> list[str]:
        """Return the names of those that ended although they were neither asked to nor done."""
        return [thread.name for thread in self._threads.copy() if thread.is_dead]


def start_thread(name: str, run: Callable[[], object]) -> threading.Thread:
    """Start a thread whose unexpected end is logged, never silent."""

    def watch() -> None:
        try:
            run()
        except IpecsMwError as error:
            log.critical("thread.ended", thread=name, detail=logs.explain(error))
        except Exception:  # a defect must not end one host's thread without a word
            log.critical("thread.ended", thread=name, detail="", exc_info=True)

    thread = WatchedThread(target=watch, name=name, daemon=True)
    thread.start()
    return thread


def start_task(name: str, do: Callable[[], T]) -> "Future[T]":
    """Start a thread that does one thing; its result, or what it raised, is the future's."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(do())
        except BaseException as error:  # noqa: BLE001 - it belongs to the thread that asked
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
