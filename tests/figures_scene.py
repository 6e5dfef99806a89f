"""What the tests of figures share: a simulated day that was read and counted, in a real MongoDB."""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Event

from reading_scene import NOW, OPTIONS, Document, build_log
from support import FakeClock

from ipecs_mw.model.settings import Settings
from ipecs_mw.service.readers.figure_maker import FigureMaker, find_figure_options
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.reader import take_over, tell
from ipecs_mw.store.server.connection import Store

SINCE, UNTIL = datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
"""From when until when the simulated day lasts."""

NO_HOSTS = Settings(hosts=[])


def insert(store: Store, events: Sequence[Document]) -> None:
    if events:
        store.database["events"].insert_many([dict(event) for event in events])


def make_maker(store: Store, settings: Settings = NO_HOSTS) -> FigureMaker:
    return FigureMaker(store, "one", lambda: settings, FakeClock(NOW), Event())


def count_all(maker: FigureMaker, settings: Settings = NO_HOSTS) -> None:
    """Count until nothing is left to be counted."""
    options = find_figure_options(settings)
    assert options is not None
    while maker.turn(options) == 0.0:
        pass


def read(reader: HostReader, store: Store) -> None:
    """Have what is there be read, and tell how far."""
    reader.is_behind = True
    while reader.is_behind:
        reader.read()
        reader.flush(NOW, is_whole=not reader.is_behind)
    tell(store, 1, [{"host": "main", "taken_at": reader.at, "is_catching_up": False}], NOW)


def make_day(store: Store, settings: Settings = NO_HOSTS, seed: int = 1) -> None:
    """Have a simulated morning be read and counted."""
    insert(store, build_log(2.5, seed, 1))
    take_over(store, "x", NOW)
    reader = HostReader(store, "main", OPTIONS)
    reader.begin()
    read(reader, store)
    count_all(make_maker(store, settings), settings)
