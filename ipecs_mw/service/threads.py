"""Threads whose unexpected end is never silent."""

import threading
from collections.abc import Callable

from ipecs_mw import logs
from ipecs_mw.errors import IpecsMwError

log = logs.get_logger()


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
