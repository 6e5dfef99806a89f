"""A change of a document → the deliveries that it is, for each webhook that wants it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from ipecs_mw.messages.formats.requests import list_steps
from ipecs_mw.messages.formats.template import Template
from ipecs_mw.messages.hiding import hide_numbers
from ipecs_mw.messages.hosts import HostNews
from ipecs_mw.messages.message import Changed, Message
from ipecs_mw.messages.naming import name_change
from ipecs_mw.service.webhooks.active import Active
from ipecs_mw.store.applications.deliveries import Delivery, name_delivery
from ipecs_mw.store.applications.feed import read_order

_ONCE: Mapping[str, str] = {
    "call.began": "began_at",
    "call.ringing": "rang_at",
    "call.answered": "answered_at",
    "call.ended": "ended_at",
    "call.missed": "ended_at",
    "alarm.raised": "raised_at",
    "alarm.ended": "ended_at",
    "event": "received_at",
    "gap": "received_at",
    "report": "made_at",
}
"""Messages that a document has once for an instant: however often the change is read or made, they are one."""

_OF_TOPICS: Mapping[str, str] = {"state": "live"}
_OF_ALL = ("gaps", "live")  # that events are missing, and that a host is away
_ALONE = frozenset({"requests", "alarms", "reports"})  # topics without these

_OF_NAMES: Mapping[str, str] = {
    "call": "calls", "event": "events", "gap": "gaps", "missed": "missed", "figures": "figures",
    "request": "requests", "station": "live", "agent": "live", "queue": "live", "host": "live",
    "alarm": "alarms", "report": "reports",
}  # fmt: skip


class Follower(Struct, frozen=True):
    """A webhook that follows a collection, from after a place."""

    active: Active
    place: str


def list_collections(active: Active) -> frozenset[str]:
    """Return the feeds that a webhook has to follow."""
    wanted = {_OF_TOPICS.get(topic, topic) for topic in active.webhook.topics}
    wanted |= set(_OF_ALL) if wanted - _ALONE else set()
    template = active.target.format
    if isinstance(template, Template):
        names = {name for step in template.steps for name in step.on}
        wanted &= {_OF_NAMES[name.partition(".")[0]] for name in names - {"test"}}
    return frozenset(wanted)


def make_deliveries(
    followers: Iterable[Follower],
    place: str,
    changed: Changed,
    now: datetime,
    count: int,
    hosts: HostNews,
) -> Iterator[Delivery]:
    """Yield the deliveries of a change; `count` is how many changes with the same place were before it.

    `hosts` says what is news of a host.
    """
    order = read_order(place)
    messages = hosts.choose(name_change(changed))
    for follower in followers:
        if read_order(follower.place) >= order:
            continue
        for number, message in enumerate(messages):
            is_meant = not message.webhooks or follower.active.name in message.webhooks
            if is_meant and follower.active.selection.has(message):
                yield from _make(follower.active, message, place, changed.id, now, (count, number))


def _make(
    active: Active, message: Message, place: str, document: str, now: datetime, index: tuple[int, int]
) -> Iterator[Delivery]:
    data = message.data
    mark = data.get(_ONCE.get(message.name, ""))
    told = mark.isoformat() if isinstance(mark, datetime) else place
    data = data if active.selection.sees_numbers else hide_numbers(message.name, data, active.target.plan)
    for number, step in enumerate(list_steps(active.target, message.name, data)):
        yield Delivery(
            name_delivery(active.name, told, document, message.name, step),
            active.name,
            f"{spell_order(place)}:{index[0]:06}:{index[1]:02}:{number:02}",
            message.name,
            message.host,
            now,
            data,
            next_at=now,
            step=step,
            call=document if message.name.startswith("call.") else "",
        )


def spell_order(place: str) -> str:
    """Return a place as a text that sorts as places do, whatever their collection."""
    order = read_order(place)
    if isinstance(order[0], datetime):
        return order[0].astimezone(UTC).isoformat(timespec="microseconds")
    return place
