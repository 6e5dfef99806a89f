"""What the tests of figures share: a simulated day that was read and counted, in a real MongoDB."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Event

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from reading_scene import NOW, OPTIONS, Document, build_log
from support import FakeClock

from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.days import list_days
from ipecs_mw.service.readers.figure_maker import FigureMaker, find_figure_options
from ipecs_mw.service.readers.host_reader import HostReader
from ipecs_mw.store.calls.reader import take_over, tell
from ipecs_mw.store.server.connection import Store

SINCE, UNTIL = datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
"""From when until when the simulated day lasts."""

DAY = datetime(2026, 3, 2, tzinfo=UTC)
TEN = DAY + timedelta(hours=10)
NEXT_DAY = DAY + timedelta(days=1)
"""Midnight, ten o'clock, and the midnight after that of a day of few calls."""

NO_HOSTS = Settings(hosts=[])


def insert(store: Store, events: Sequence[Document]) -> None:
    if events:
        store.database["events"].insert_many([dict(event) for event in events])


def make_maker(store: Store, settings: Settings = NO_HOSTS, clock: FakeClock | None = None) -> FigureMaker:
    return FigureMaker(store, "one", lambda: settings, clock or FakeClock(NOW), Event())


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


def make_day(store: Store) -> None:
    """Have a simulated morning be read and counted; only once in a process, others get what came of it."""
    if not _OF_A_DAY:
        before = _read_all(store)
        insert(store, build_log(2.5, 1, 1))
        take_over(store, "x", NOW)
        reader = HostReader(store, "main", OPTIONS)
        reader.begin()
        read(reader, store)
        count_all(make_maker(store))
        for name, documents in _read_all(store).items():
            _OF_A_DAY[name] = [each for each in documents if each not in before.get(name, ())]
        return
    for name, documents in _OF_A_DAY.items():
        if documents:
            collection = _open_raw(store, name)
            collection.delete_many({"_id": {"$in": [each["_id"] for each in documents]}})
            collection.insert_many(documents)


_OF_A_DAY: dict[str, list[RawBSONDocument]] = {}
"""Collection → its documents that a simulated morning made, read and counted in a database that was ready."""


def _read_all(store: Store) -> dict[str, list[RawBSONDocument]]:
    names = store.database.list_collection_names(filter={"type": "collection"})
    return {name: list(_open_raw(store, name).find()) for name in names if not name.startswith("system.")}


def _open_raw(store: Store, name: str) -> Collection[RawBSONDocument]:
    return store.database.get_collection(name, codec_options=CodecOptions(document_class=RawBSONDocument))


def make_call(number: int, began: datetime, wait_seconds: int) -> Document:
    """Return a call that was answered after so many seconds, and lasted a minute from then."""
    on = began + timedelta(seconds=wait_seconds)
    end = on + timedelta(seconds=60)
    queue = {"kind": "queue", "group": "620", "from": began, "until": on, "result": "answered"}
    talk = {"kind": "talk", "group": "620", "station": "1001", "agent": "1001", "from": on, "until": end}
    return {
        "_id": f"main:{number}",
        "host": "main",
        "first": f"{number:010}",
        "direction": "inbound",
        "is_open": False,
        "began_at": began,
        "answered_at": on,
        "ended_at": end,
        "outcome": "answered",
        "groups": ["620"],
        "trunks": ["001"],
        "days": list_days(began, end),
        "segments": [queue, talk],
        "seconds": {"talk": 60.0, "total": float(wait_seconds + 60)},
    }


def reach(store: Store, at: datetime) -> None:
    """Have the reader be as far as an instant."""
    tell(store, 1, [{"host": "main", "taken_at": at, "is_catching_up": False}], NOW)
