"""Events, calls and missed calls: lists with filters and pages, one of them, what people do with a missed call."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ipecs_mw.api.answers import Missing, Problem
from ipecs_mw.api.cursors import cut_page, read_cursor
from ipecs_mw.api.documents import Call, Event, MissedItem, Page
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint
from ipecs_mw.api.scoping import build_scope, check_right, is_in_scope
from ipecs_mw.calls.documents.outcome import Direction, Outcome
from ipecs_mw.errors import CommandRefused, NoSuchName, Words
from ipecs_mw.messages.rights import NUMBERS
from ipecs_mw.model.configuration.settings import Kind
from ipecs_mw.model.writing import columns
from ipecs_mw.model.writing.csv_lines import write_fields
from ipecs_mw.store.calls import call_query, missed_query
from ipecs_mw.store.calls.call_events import find_call_events
from ipecs_mw.store.calls.call_query import CallFilter, find_calls, load_call
from ipecs_mw.store.calls.missed_query import MissedFilter, find_items, load_item
from ipecs_mw.store.calls.names import read_name
from ipecs_mw.store.events import event_query
from ipecs_mw.store.events.event_query import Filter, find_events
from ipecs_mw.store.server.pages import Listing

_MOST = 500

Limit = Annotated[int, Meta(ge=1, le=_MOST, description="items on a page")]
Cursor = Annotated[str, Meta(description="`next` of the page before")]
Form = Annotated[Literal["json", "csv"], Meta(description="csv: as a table")]
Since = Annotated[datetime, Meta(tz=True, description="from this instant on, ISO 8601 with zone")]
Until = Annotated[datetime, Meta(tz=True, description="before this instant")]
Host = Annotated[str, Meta(description="name of the phone system")]


class EventQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    host: Host | None = None
    kind: Kind | None = None
    type: str | None = None
    code: int | None = None
    station: str | None = None
    call: Annotated[int, Meta(description="reference of the phone system (`call_ref`)")] | None = None
    since: Since | None = None
    until: Until | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    format: Form = "json"


class CallQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls. A station, an agent or a group is one that was involved in any way."""

    host: Host | None = None
    station: str | None = None
    agent: str | None = None
    group: str | None = None
    number: (
        Annotated[str, Meta(description="number outside, in any spelling; needs `numbers.read`")] | None
    ) = None
    name: (
        Annotated[str, Meta(description="how words of the caller's name begin, without case and accents")]
        | None
    ) = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    open: Annotated[bool, Meta(description="true: those that last")] | None = None
    since: Since | None = None
    until: Until | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    format: Form = "json"


class MissedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which missed calls."""

    state: Literal["open", "closed", "all"] = "open"
    host: Host | None = None
    group: str | None = None
    number: (
        Annotated[str, Meta(description="number outside, in any spelling; needs `numbers.read`")] | None
    ) = None
    owner: str | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    format: Form = "json"


class MissedChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed; an empty text takes owner or note away."""

    state: Literal["open", "closed"] | None = None
    owner: Annotated[str, Meta(max_length=200)] | None = None
    note: Annotated[str, Meta(max_length=4000)] | None = None


def _list_events(asked: Asked) -> Answer:
    query: EventQuery = asked.query
    wanted = Filter(
        host=query.host,
        kind=query.kind,
        type=query.type,
        code=query.code,
        station=query.station,
        call=query.call,
        since=query.since,
        until=query.until,
        within=build_scope(asked.token.scope, "stations", "group"),
    )
    listing = event_query.LISTING
    place = read_cursor(listing, query.cursor)
    return _page(
        asked,
        find_events(asked.site.store, wanted, limit=query.limit + 1, before=place),
        listing,
        columns.EVENTS,
    )


def _list_calls(asked: Asked) -> Answer:
    query: CallQuery = asked.query
    wanted = CallFilter(
        host=query.host,
        station=query.station,
        agent=query.agent,
        group=query.group,
        numbers=_read_number(asked, query.number),
        words=None if query.name is None else read_name(query.name),
        direction=query.direction,
        outcome=query.outcome,
        is_open=query.open,
        since=query.since,
        until=query.until,
        within=build_scope(asked.token.scope, "stations", "groups"),
    )
    listing = call_query.LISTING
    place = read_cursor(listing, query.cursor)
    return _page(
        asked,
        find_calls(asked.site.store, wanted, limit=query.limit + 1, before=place),
        listing,
        columns.CALLS,
    )


def _list_missed(asked: Asked) -> Answer:
    query: MissedQuery = asked.query
    wanted = MissedFilter(
        state=None if query.state == "all" else query.state,
        host=query.host,
        group=query.group,
        owner=query.owner,
        numbers=_read_number(asked, query.number),
        within=build_scope(asked.token.scope, "", "group"),
    )
    listing = missed_query.LISTING
    place = read_cursor(listing, query.cursor)
    return _page(
        asked,
        find_items(asked.site.store, wanted, limit=query.limit + 1, before=place),
        listing,
        columns.MISSED,
    )


def _read_number(asked: Asked, number: str | None) -> Sequence[str] | None:
    if number is None:
        return None
    check_right(asked.token, NUMBERS)  # else one could try numbers until one fits
    return asked.site.read_number(number)


def _page(asked: Asked, found: Iterable[dict[str, Any]], listing: Listing, names: Sequence[str]) -> Answer:
    items, cursor = cut_page(found, asked.query.limit, listing)
    cut = [asked.cut(item) for item in items]
    headers = {} if cursor is None else {"Link": f'<{asked.link(cursor=cursor)}>; rel="next"'}
    if asked.query.format == "csv":
        return Answer(headers=headers, lines=write_fields(cut, [name.removeprefix("_") for name in names]))
    return Answer({"items": cut, "next": cursor}, headers=headers)


def _load_call(asked: Asked) -> Mapping[str, Any]:
    """Return a call in the token's scope; what is outside of it is as if it were not there."""
    try:
        call = load_call(asked.site.store, asked.path["id"])
    except NoSuchName as error:
        raise Missing("error.no_such_call", id=asked.path["id"][:80]) from error
    if "host" not in call or not is_in_scope(asked.token.scope, call):
        raise Missing("error.no_such_call", id=asked.path["id"][:80])
    return call


def _show_call(asked: Asked) -> Answer:
    return Answer(asked.cut(_load_call(asked)))


def _list_call_events(asked: Asked) -> Answer:
    events = find_call_events(asked.site.store, _load_call(asked), asked.site.profile)
    return Answer({"items": [asked.cut(event) for event in events], "next": None})


def _change_missed(asked: Asked) -> Answer:
    change: MissedChange = asked.body
    store, by = asked.site.store, asked.token.name
    if change.state is None and change.owner is None and change.note is None:
        raise CommandRefused(
            "error.argument",
            name="body",
            value="{}",
            allowed=Words("allowed.some_of", names="state, owner, note"),
        )
    try:
        item = load_item(store, asked.path["id"])
    except NoSuchName as error:
        raise Missing("error.no_such_missed", id=asked.path["id"][:80]) from error
    if not is_in_scope(asked.token.scope, item):
        raise Missing("error.no_such_missed", id=asked.path["id"][:80])
    try:
        changed = missed_query.change_item(
            store,
            item["_id"],
            by=by,
            at=asked.now,
            state=change.state,
            owner=None if change.owner is None else change.owner.strip(),
            note=None if change.note is None else change.note.strip(),
        )
    except NoSuchName:
        raise
    except CommandRefused as error:
        raise Problem(409, error.key, **error.facts) from error
    return Answer(asked.cut(changed))


ROWS = (
    Endpoint("GET", f"{BASE}/events", "events.read", "listEvents", "The event log, newest first.", _list_events,
             Page[Event], EventQuery, has_csv=True),
    Endpoint("GET", f"{BASE}/calls", "calls.read", "listCalls", "Calls, newest first.", _list_calls, Page[Call],
             CallQuery, has_csv=True),
    Endpoint("GET", f"{BASE}/calls/{{id}}", "calls.read", "getCall", "One call, by its id or a beginning of it.",
             _show_call, Call, others={404: "There is no such call."}),
    Endpoint("GET", f"{BASE}/calls/{{id}}/events", "calls.read", "listCallEvents",
             "The events that a call was read from, as the phone system sent them.", _list_call_events,
             Page[Event], others={404: "There is no such call."}),
    Endpoint("GET", f"{BASE}/missed", "calls.read", "listMissed", "Who is to be called back, latest call first.",
             _list_missed, Page[MissedItem], MissedQuery, has_csv=True),
    Endpoint("PATCH", f"{BASE}/missed/{{id}}", "missed.write", "changeMissed",
             "Close a missed call or open it again, say who sees to it, note what was agreed.", _change_missed,
             MissedItem, body=MissedChange, others={404: "There is no such missed call.",
                                                    409: "It is closed already, or cannot be opened again."}),
)  # fmt: skip
"""The endpoints of the log, of calls and of missed calls."""
