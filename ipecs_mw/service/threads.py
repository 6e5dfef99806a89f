"""Threads whose unexpected end is never silent."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ipecs_mw import logs
from ipecs_mw.errors import IpecsMwError

log = logs.get_logger()

T = TypeVar("T")


def start_thread(name: str, run: Callable[[], object]) -> threading.Thread:
    """Start a thread whose unexpected end is logged, never silent."""

    def watch() -> None:
        try:
            run()
        except IpecsMwError as error:
            log.critical("thread.ended", thread=name, detail=logs.explain(error))
        except Exception:  # a defect must not end one host's thread without a word
            log.critical("thread.ended", thread=name, detail="", exc_info=True)

    thread = threading.Thread(target=watch, name=name, daemon=True)
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
