"""Which messages a change of a document is: a table by collection.

What a change is called follows from the change alone, so that any process that reads it tells the same.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import structs

from ipecs_mw import logs
from ipecs_mw.calls.documents.missed import MISSED
from ipecs_mw.messages.message import (
    UNSEEN,
    Changed,
    Document,
    Message,
    collect,
    spell_document,
    spell_request,
)

log = logs.get_logger()

ALL = frozenset({"events", "calls", "state", "missed", "figures"})
"""The topics of what concerns whoever follows a host at all: that it is away, that events are missing."""

_NEWS = timedelta(hours=1)
"""That a phone rang, or was answered, longer ago is a correction and no news."""

_INSTANTS = (("call.ringing", "rang_at"), ("call.answered", "answered_at"))


def name_change(changed: Changed) -> list[Message]:
    """Return the messages that a change is, in their order.

    None for a document that is not as ours are, and where only what no message has was touched.
    """
    if changed.fields and changed.fields <= UNSEEN:
        return []
    try:
        return list(_NAMES[changed.collection](changed))
    except (TypeError, ValueError, AttributeError, LookupError) as error:  # somebody else wrote it
        log.warning(
            "messages.odd_document", collection=changed.collection, id=changed.id, reason=type(error).__name__
        )
        return []


def _name_event(changed: Changed) -> Iterator[Message]:
    event = changed.document
    if event is None:
        return
    kind, kind_of = str(event.get("kind", "")), str(event.get("type", ""))
    data = spell_document(event)
    facts = {
        "host": str(event.get("host", "")),
        "data": data,
        "stations": collect(event, ("stations",)),
        "groups": collect(event, ("group",)),
        "kind": kind,
        "type": kind_of,
    }
    is_gap = changed.collection == "gaps"
    topics = ALL if is_gap else frozenset({"events"})
    yield Message("gap" if is_gap else "event", topics, **facts)  # type: ignore[arg-type]


def _name_call(changed: Changed) -> Iterator[Message]:
    for name in _find_call_names(changed):
        call = changed.document
        if call is None:
            yield _tell_gone(changed, name, "calls")
            continue
        yield Message(
            name,
            frozenset({"calls"}),
            str(call.get("host", "")),
            spell_document(call),
            collect(call, ("stations",)),
            collect(call, ("groups",)),
        )


def _find_call_names(changed: Changed) -> Iterator[str]:
    """Yield what a change of a call is called. A call that is over is told of anew by `call.changed` alone."""
    call = changed.document
    if call is None:
        yield "call.changed"
        return
    touched = call.keys() if changed.fields is None else changed.fields
    is_open = bool(call.get("is_open"))
    names = ["call.began"] if changed.is_new and is_open else []
    has_ended = not is_open and "is_open" in touched
    if is_open or not changed.is_new:
        names += [
            name for name, instant in _INSTANTS if instant in touched and _is_news(call.get(instant), changed)
        ]
    if has_ended:
        names.append("call.ended")
        if call.get("direction") == "inbound" and call.get("outcome") in MISSED:
            names.append("call.missed")
    yield from names or ["call.changed"]


def _is_news(at: datetime | None, changed: Changed) -> bool:
    return at is not None and (changed.at is None or changed.at - at < _NEWS)


_LIVE: Mapping[str, str] = {"station": "station", "agent": "agent", "group": "queue", "host": "host"}


def _name_live(changed: Changed) -> Iterator[Message]:
    item = changed.document
    if item is None:
        host, kind, item_name = (*changed.id.split(":", 2), "", "")[:3]
        if name := _LIVE.get(kind):
            gone = _tell_gone(changed, name, "state", host=host, key=changed.id)
            side = {"station": "stations", "group": "groups"}.get(kind)
            yield structs.replace(gone, **{side: frozenset({item_name})}) if side else gone
        return
    name = _LIVE.get(str(item.get("kind", "")), "")
    if name:
        yield Message(
            name,
            frozenset({"state"}) if name != "host" else ALL,
            str(item.get("host", "")),
            spell_document(item),
            collect(item, ("station",)),
            collect(item, ("group", "groups")),
            key=changed.id,
        )


def _name_missed(changed: Changed) -> Iterator[Message]:
    item = changed.document
    if item is None:
        yield _tell_gone(changed, "missed", "missed")
        return
    yield Message(
        "missed",
        frozenset({"missed"}),
        str(item.get("host", "")),
        spell_document(item),
        groups=collect(item, ("group",)),
    )


def _name_figures(changed: Changed) -> Iterator[Message]:
    row = changed.document
    if row is None:
        return
    yield Message(
        "figures",
        frozenset({"figures"}),
        str(row.get("host", "")),
        spell_document(row),
        collect(row, ("stations",)),
        collect(row, ("group", "groups")),
        key=changed.id,
    )


def _name_request(changed: Changed) -> Iterator[Message]:
    """Yield that a command has ended, or that it became known how it did."""
    request = changed.document
    touched = (request or {}).keys() if changed.fields is None else changed.fields
    if request is None or "state" not in touched or request.get("state") in ("queued", "sent"):
        return
    yield Message(
        "request",
        frozenset({"requests"}),
        str(request.get("host", "")),
        spell_request(request),
        command=str(request.get("command", "")),
    )


def _name_alarm(changed: Changed) -> Iterator[Message]:
    """Yield that an alarm is raised, or that it is over; what was told of it elsewhere is no news."""
    alarm = changed.document
    if alarm is None:
        return
    if changed.is_new or changed.fields == frozenset():
        yield _tell_of(alarm, "alarm.raised", "alarms")
    elif alarm.get("state") == "ended" and (changed.fields is None or "state" in changed.fields):
        yield _tell_of(alarm, "alarm.ended", "alarms")


def _name_report(changed: Changed) -> Iterator[Message]:
    if changed.document is not None:
        yield _tell_of(changed.document, "report", "reports")


_NO_NEWS = frozenset({"profile", "told", "is_told", "webhooks"})


def _tell_of(document: Document, name: str, topic: str) -> Message:
    """Return a message of a document that says whom it is for."""
    data = {field: value for field, value in spell_document(document).items() if field not in _NO_NEWS}
    return Message(
        name,
        frozenset({topic}),
        str(document.get("host", "")),
        data,
        collect(document, ("station", "stations")),
        collect(document, ("group", "groups")),
        webhooks=collect(document, ("webhooks",)),
    )


def _tell_gone(changed: Changed, name: str, topic: str, *, host: str = "", key: str = "") -> Message:
    """Return that a document is no more; its host is the beginning of its id."""
    host = host or changed.id.partition(":")[0]
    return Message(name, frozenset({topic}), host, {"id": changed.id, "host": host, "is_gone": True}, key=key)


_NAMES: Mapping[str, Callable[[Changed], Iterator[Message]]] = {
    "events": _name_event,
    "gaps": _name_event,
    "calls": _name_call,
    "live": _name_live,
    "missed": _name_missed,
    "figures": _name_figures,
    "requests": _name_request,
    "alarms": _name_alarm,
    "reports": _name_report,
}
