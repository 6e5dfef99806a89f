"""What is asked of the outside and may never answer: asked on a thread of its own, and waited for only so long.

A file may be a pipe, a mount may be dead, a resolver silent. What does not answer costs one thread that hangs
without harm; who asks again waits for that same one.
"""

import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ipecs_mw.clock import SystemClock

T = TypeVar("T")

ANSWER_SECONDS = 5.0
_MOST_BYTES = 1024 * 1024

_clock = SystemClock()
_asked: dict[str, "_Question"] = {}
_asking = threading.Lock()


@dataclass(frozen=True)
class _Question:
    answer: Future[Any]
    asked_at: float


def ask(what: str, do: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
    """Return what `do` returns, or raise what it raises; `what` names it to people.

    Raises TimeoutError, an OSError, after `seconds`; `find_silent` tells of it from then on, until it answers.
    Asked again meanwhile, nothing is begun anew.
    """
    with _asking:
        question = _asked.get(what)
        if question is None:
            question = _asked[what] = _Question(Future(), _clock.monotonic())
            threading.Thread(
                target=partial(_answer, what, question, do), name=f"ask-{what}", daemon=True
            ).start()
    wait((question.answer,), seconds)
    if not question.answer.done():
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:g} s", what)
    found: T = question.answer.result()
    return found


def find_silent(seconds: float = ANSWER_SECONDS) -> dict[str, float]:
    """Return what was asked and has not answered for `seconds`, with how long ago it was asked."""
    now = _clock.monotonic()
    with _asking:
        waits = {what: now - question.asked_at for what, question in _asked.items()}
    return {what: waited for what, waited in waits.items() if waited >= seconds}


def read_file(path: str | Path, most_bytes: int = _MOST_BYTES, seconds: float = ANSWER_SECONDS) -> bytes:
    """Return what a file holds; raises OSError, also where it does not end within bytes or seconds."""
    return ask(str(path), partial(_read, path, most_bytes), seconds)


def _answer(what: str, question: _Question, do: Callable[[], object]) -> None:
    try:
        found = do()
    except BaseException as error:  # noqa: BLE001 - it belongs to the thread that asked
        _forget(what)
        question.answer.set_exception(error)
    else:
        _forget(what)
        question.answer.set_result(found)


def _forget(what: str) -> None:
    with _asking:
        _asked.pop(what, None)


def _read(path: str | Path, most_bytes: int) -> bytes:
    with Path(path).open("rb") as opened:
        found = opened.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise OSError(errno.EFBIG, f"longer than {most_bytes} bytes", str(path))
    return found
