"""The changes of a collection, each with its place, from which any process goes on.

A place of a change stream is MongoDB's own time of the change (cluster time): short, the same for whoever reads,
and in the order of the changes. On a standalone server, which has none, it is the instant and id of a document.
"""

import re
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bson import Timestamp
from pymongo.errors import OperationFailure

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, PositionLost
from ipecs_mw.messages.message import Changed
from ipecs_mw.store.applications.versions import Versions
from ipecs_mw.store.calls import call_query
from ipecs_mw.store.events import event_query
from ipecs_mw.store.figures import following
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.following import LOST, Following, Source
from ipecs_mw.store.server.pages import Listing, narrow

_GAPS = {"kind": "system", "type": "gap"}

SOURCES: Mapping[str, Source] = {
    "events": event_query.SOURCE,
    "gaps": event_query.SOURCE,
    "calls": call_query.SOURCE,
    "live": Source(Listing("live", "since", ""), ("insert", "replace", "update", "delete")),
    "missed": Source(
        Listing("missed", "updated_at", ""), ("insert", "replace", "update", "delete"), version="revision"
    ),
    "figures": following.SOURCE,
    "requests": Source(Listing("requests", "ended_at", ""), ("insert", "replace", "update"), version="state"),
    "alarms": Source(Listing("alarms", "changed_at", ""), ("insert", "update"), version="state"),
    "reports": Source(Listing("reports", "made_at", ""), ("insert",)),
}
"""What applications are told of: feed → the collection whose changes it tells, and how they come.

A feed is named as its collection, but for `gaps`: those events alone that say that others are missing.
"""

WAIT_SECONDS = 1.0
"""So long a reader waits for the next change before it says that there was none."""

_MOST_REMEMBERED = 10_000
_STREAM_PLACE = re.compile(r"([0-9a-f]{8})([0-9a-f]{8})")
_TOKEN = re.compile(r"82([0-9A-F]{8})([0-9A-F]{8})")  # how the server spells the time in a resume token

_NEVER = threading.Event()

Document = dict[str, Any]
Order = tuple[Any, ...]


class Step(NamedTuple):
    """A change and its place; None where nothing came for a while and the place alone moved on."""

    place: str
    changed: Changed | None


def read_order(place: str) -> Order:
    """Return what places of one collection are compared by; raises CommandRefused for what is none."""
    if found := _STREAM_PLACE.fullmatch(place):
        return (int(found[1], 16), int(found[2], 16))
    try:
        at, _, name = urlsafe_b64decode(place[1:]).decode().partition("|")
        if place[:1] == "~":
            return (datetime.fromisoformat(at).astimezone(UTC), name)
    except (NotBase64, ValueError):
        pass
    raise CommandRefused("error.position_wrong", position=place[:80])


def find_second(place: str) -> int | None:
    """Return the second (UTC, since 1970) of a place of a change stream, None for another."""
    found = _STREAM_PLACE.fullmatch(place)
    return None if found is None else int(found[1], 16)


def place_before(place: str) -> str:
    """Return the place just before one of a change stream, from which its own change is read again."""
    found = _STREAM_PLACE.fullmatch(place)
    return place if found is None else f"{found[1]}{max(int(found[2], 16) - 1, 0):08x}"


def find_place(store: Store, seconds: int) -> str | None:
    """Return the place so many seconds ago, None on a standalone server. Raises StoreError."""
    if not store.has_change_streams:
        return None
    with store_errors():
        now = _find_now(store)
    return f"{int(now[:8], 16) - seconds:08x}00000001" if now else None


def find_place_now(store: Store, clock: Clock) -> str:
    """Return the place that is now, of whatever feed. Raises StoreError."""
    if store.has_change_streams:
        with store_errors():
            return _find_now(store)
    return _wrap(f"@{clock.now().isoformat()}|")


def read_feed(
    store: Store, clock: Clock, name: str, *, after: str | None = None, wait_seconds: float = WAIT_SECONDS
) -> Generator[Step, None, None]:
    """Yield the changes of a feed for ever, from now on or after a place; the first step tells the place.

    Where nothing comes for `wait_seconds`, a step tells that.

    Raises PositionLost where the server no longer has what came after it, CommandRefused for a place of another
    kind of server, StoreError.
    """
    store = store.read_anything()
    if store.has_change_streams:
        return _watch(store, name, after, wait_seconds)
    if name == "live":
        return _compare(store, clock)
    return _poll(store, clock, name, after)


def _find_query(name: str) -> Document:
    return dict(_GAPS) if name == "gaps" else {}


def _watch(store: Store, name: str, after: str | None, wait_seconds: float) -> Generator[Step, None, None]:
    """Follow by change stream; one that is ended by a drop is opened anew behind it."""
    source = SOURCES[name]
    query = {f"fullDocument.{field}": value for field, value in _find_query(name).items()}
    begin: Document = {} if after is None else {"start_at_operation_time": _read_time(after)}
    done = None if after is None else read_order(after)
    place, versions = after or "", Versions()
    wanted = {"operationType": {"$in": list(source.operations)}, **query}
    while True:
        with (
            store_errors(),
            _told_where_lost(),
            store.database[source.listing.collection].watch(
                [{"$match": {"$or": [wanted, {"operationType": "invalidate"}]}}],
                full_document="updateLookup",
                max_await_time_ms=int(wait_seconds * 1000),
                **begin,
            ) as stream,
        ):
            # a stream that begins now begins behind all that is there, where nobody else is before the next change
            place = place or place_before(_place_of_token(stream.resume_token)) or _find_now(store)
            yield Step(place, None)
            while stream.alive:
                change = stream.try_next()
                if change is None:
                    place = max(place, _place_of_token(stream.resume_token) or place)
                    yield Step(place, None)
                    continue
                time = change["clusterTime"]
                if done is not None and (time.time, time.inc) <= done:
                    continue
                place = f"{time.time:08x}{time.inc:08x}"
                if (changed := _read_change(name, change, versions)) is not None:
                    yield Step(place, changed)
            begin = {"start_after": stream.resume_token}


def _read_change(feed: str, change: Mapping[str, Any], versions: Versions) -> Changed | None:
    if "documentKey" not in change:
        return None
    name = str(change["documentKey"]["_id"])
    operation, document = change["operationType"], versions.read(change)
    if document is None and operation != "delete":
        return None  # deleted before it could be looked up, which is told next
    fields = None
    if operation == "update":
        told = change["updateDescription"]
        names = (*(told.get("updatedFields") or {}), *(told.get("removedFields") or ()))
        fields = frozenset(name.split(".", 1)[0] for name in names)
    at = change["clusterTime"].as_datetime()
    return Changed(feed, name, document, fields, is_new=operation == "insert", at=at)


@contextmanager
def _told_where_lost() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code in LOST:
            raise PositionLost("error.position_lost") from error
        raise


def _read_time(place: str) -> Timestamp:
    if found := _STREAM_PLACE.fullmatch(place):
        return Timestamp(int(found[1], 16), int(found[2], 16))
    raise CommandRefused("error.position_wrong", position=place[:80])


def _place_of_token(token: Mapping[str, Any] | None) -> str:
    """Return the time up to which a stream has told everything; blank where the token does not say."""
    found = _TOKEN.match(str((token or {}).get("_data", "")))
    return "" if found is None else (found[1] + found[2]).lower()


def _find_now(store: Store) -> str:
    with store.client.start_session() as session:
        store.database["migrations"].find_one({}, {"_id": 1}, session=session)
        time = session.operation_time
    return "" if time is None else f"{time.time:08x}{time.inc:08x}"


# what is so now

_STATES: Mapping[str, Document] = {
    "calls": {"is_open": True},
    "missed": {"state": "open"},
    "alarms": {"state": "raised"},
}


def read_state(
    store: Store, topic: str, now: datetime, within: Mapping[str, Any] | None
) -> Iterator[Changed]:
    """Yield what is so now of a topic: stations, agents, groups; calls, missed calls, alarms; this quarter hour.

    For every topic: the hosts. Raises StoreError.
    """
    database = store.read_anything().database
    with store_errors():
        of_hosts: Document = {} if topic == "state" else {"kind": "host"}
        for each in database["live"].find(of_hosts):
            yield Changed("live", each["_id"], each)
        if topic == "figures":
            query: Document = {"from": {"$gte": now - timedelta(minutes=15)}}
            for each in database["figures"].find(query):
                yield Changed("figures", each["_id"], each)
        elif topic in _STATES:
            for each in database[topic].find(narrow(_STATES[topic], within)):
                yield Changed(topic, each["_id"], each, frozenset())


# on a standalone server


def _poll(store: Store, clock: Clock, feed: str, after: str | None) -> Generator[Step, None, None]:
    """Follow by asking again and again; what an update touched is known from the document as it was before."""
    source, query = SOURCES[feed], _find_query(feed)
    known: OrderedDict[str, Document] = OrderedDict()
    position = None if after is None else f"{source.listing.collection}@{_unwrap(after)}"
    with Following(store, clock, source, query, after=position, timeout_seconds=WAIT_SECONDS) as changes:
        yield Step(_wrap(changes.position), None)
        while True:
            for change in changes:
                document, before = change.document, known.pop(change.id, None)
                if document is None:
                    continue
                known[change.id] = document
                if len(known) > _MOST_REMEMBERED:
                    known.popitem(last=False)
                is_new = before is None and document.get("revision", 1) == 1
                fields = None if before is None else _find_touched(before, document)
                yield Step(
                    _wrap(change.position),
                    Changed(feed, change.id, document, fields, is_new=is_new),
                )
            yield Step(_wrap(changes.position), None)


def _find_touched(before: Document, now: Document) -> frozenset[str]:
    return frozenset(name for name in {*before, *now} if before.get(name) != now.get(name))


def _compare(store: Store, clock: Clock) -> Generator[Step, None, None]:
    """Follow what is true now by reading all of it: it has no instant of change. Its place is the instant now."""
    known: dict[str, Document] | None = None
    while True:
        with store_errors():
            found = {each["_id"]: each for each in store.database["live"].find()}
        place = _wrap(f"live@{clock.now().isoformat()}|")
        before, known = known, found
        yield Step(place, None)
        for name in () if before is None else sorted({*before, *found}):
            if (before or {}).get(name) != found.get(name):
                yield Step(place, Changed("live", name, found.get(name)))
        clock.wait(_NEVER, WAIT_SECONDS / 2)


def _wrap(position: str) -> str:
    return "~" + urlsafe_b64encode(position.partition("@")[2].encode()).decode()


def _unwrap(place: str) -> str:
    read_order(place)
    if place[:1] != "~":
        raise CommandRefused("error.position_wrong", position=place[:80])
    return urlsafe_b64decode(place[1:]).decode()
