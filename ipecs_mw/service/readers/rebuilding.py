"""Reading a stretch of the log anew, beside the daemon: what is derived is put right, or what differs is told.

Only what no more can come of is written, so that a daemon that reads meanwhile and this never write the same
document. What began in the stretch and still lasts is the daemon's.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from msgspec import Struct

from ipecs_mw.calls.steps.options import ReadingOptions
from ipecs_mw.clock import Clock
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.live_query import load_reader
from ipecs_mw.store.calls.reader import check_format
from ipecs_mw.store.calls.writing import Difference, Span
from ipecs_mw.store.server.connection import Store

_AHEAD = timedelta(hours=1)  # a host's clock may run ahead of ours so far, and calls begin by the host's
_MOST_ROUNDS = 3
_WRITTEN_WITHIN_SECONDS = 2.0  # a reader that is not behind has written by then what has come
_MOST_TOLD = 1000
_PAGES_AT_ONCE = 5  # each write is waited for until it is safe, however little it is


class Rebuilt(Struct):
    """What a rebuild did of one host: events of the stretch, and documents by collection and kind of difference.

    `told` are the first differences.
    """

    events: int = 0
    counts: Counter[tuple[str, str]] = Counter()
    told: list[Difference] = []


Progress = Callable[[str, int, datetime], None]
"""Told of the host, how many events were read, and when the last of them was received."""


def rebuild(
    store: Store,
    host: str,
    options: ReadingOptions,
    clock: Clock,
    *,
    span: Span,
    only_compares: bool,
    on_progress: Progress,
) -> Rebuilt:
    """Read the events of a host anew and put right what began in the span; where it `only_compares`, tell it.

    It may be interrupted at any moment and begun again. Documents whose events are gone stay as they are. Raises
    StoreError.
    """

    def await_reader() -> None:
        if load_reader(store).state == "running":
            clock.wait(threading.Event(), _WRITTEN_WITHIN_SECONDS)

    reader = HostReader(
        store,
        host,
        options,
        span=span,
        only_compares=only_compares,
        await_reader=await_reader,
        is_anew=True,
    )
    check_format(store)
    done = Rebuilt(counts=Counter())
    if span.since is None:
        reader.begin_at_the_beginning()
    else:
        reader.begin(until=span.since - _AHEAD)
    read = 0
    for _ in range(_MOST_ROUNDS):
        read += _read_on(reader, done, clock, span, on_progress, read)
        late = reader.find_late()
        if late is None:
            break
        reader.begin(before=late)  # stored while it read
    if load_reader(store).state != "running":
        _count(done, reader.flush(clock.now(), is_whole=True))
    return done


def _read_on(
    reader: HostReader, done: Rebuilt, clock: Clock, span: Span, on_progress: Progress, before: int
) -> int:
    """Read to the end, or until nothing of the span can change any more; return how many events that were.

    What some pages have settled is written while the next are read.
    """
    read, told = 0, None
    reader.is_behind = True
    with ThreadPoolExecutor(1, f"write-{reader.host}") as writer:
        while reader.is_behind and not (span.until is not None and reader.is_over(span.until)):
            for _ in range(_PAGES_AT_ONCE):
                read += reader.read()
                done.events += reader.spanned
                if reader.at is not None:
                    on_progress(reader.host, before + read, reader.at)
                if not reader.is_behind:
                    break
            derived = reader.derive(is_whole=False)
            if told is not None:
                _count(done, told.result())
            told = writer.submit(reader.put, derived, clock.now())
    if told is not None:
        _count(done, told.result())
    _count(done, reader.put_missed(clock.now()))
    return read


def _count(done: Rebuilt, differences: list[Difference]) -> None:
    done.counts.update((each.collection, each.kind) for each in differences)
    done.told += differences[: _MOST_TOLD - len(done.told)]
