"""What a client missed: read from memory, else from MongoDB; or the state where its position is too old."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from ipecs_mw.api.scoping import build_scope
from ipecs_mw.api.site import Site
from ipecs_mw.api.stream.frames import Entry
from ipecs_mw.api.stream.hub import Hub, Told
from ipecs_mw.api.stream.position import Places, Spot, write_position
from ipecs_mw.errors import PositionLost
from ipecs_mw.messages.hosts import HostNews
from ipecs_mw.messages.message import Message
from ipecs_mw.messages.naming import name_change
from ipecs_mw.messages.selection import Selection
from ipecs_mw.store.applications.feed import (
    Order,
    find_second,
    place_before,
    read_feed,
    read_state,
)

_AT_ONCE = 500
_BEHIND_SECONDS = 0.02
_AWAIT_SECONDS = 0.02  # what is behind us is there, or not
_MOST_AHEAD_SECONDS = 60
"""A position that is further ahead of this process is one of another database, or of one that was restored."""

_FEEDS = {
    "events": ("events", "gaps"),
    "calls": ("calls", "gaps", "live"),
    "state": ("live", "gaps"),
    "missed": ("missed", "gaps", "live"),
    "figures": ("figures", "gaps", "live"),
    "requests": ("requests",),
    "alarms": ("alarms",),
    "reports": ("reports",),
}
"""Topic → the feeds that its messages come from."""


def list_feeds(topics: Collection[str]) -> list[str]:
    """Return the feeds that topics need."""
    return sorted({feed for topic in topics for feed in _FEEDS[topic]})


def is_ahead(hub: Hub, spots: Places) -> bool:
    """Tell whether a position is of a time that this database has not reached."""
    seconds = [
        (find_second(spots[name].place), find_second(hub.spots[name].place))
        for name in spots
        if name in hub.spots
    ]
    return any(there and here and there > here + _MOST_AHEAD_SECONDS for there, here in seconds)


def is_of_other_kind(hub: Hub, spots: Places) -> bool:
    """Tell whether a position is of another kind of server than this one: with change streams, or without."""
    return any(
        (find_second(spots[name].place) is None) != (find_second(hub.spots[name].place) is None)
        for name in spots
        if name in hub.spots
    )


async def catch_up(
    site: Site, hub: Hub, selection: Selection, spots: dict[str, Spot]
) -> AsyncIterator[list[Entry]]:
    """Yield what a client at these spots missed, in batches, until it has everything that was told.

    The last batch is yielded in the same turn of the loop in which nothing was left: who attaches the client right
    behind it misses nothing. Raises PositionLost where the server does not have it any more, StoreError.
    """
    feeds = list_feeds(selection.topics)
    await hub.await_spots(feeds)
    for name in feeds:  # a feed that the position does not know was not followed before
        spots.setdefault(name, hub.spots[name])
    while True:
        number = hub.find_number(spots, feeds)
        if number is None:
            goal, number = {name: hub.spots[name] for name in feeds}, hub.number
            for name in feeds:
                async for batch in _read(site, selection, name, spots, goal[name]):
                    yield batch
        # None: it took so long that memory does not reach back to there any more
        while (told := hub.list_after(number, _AT_ONCE)) is not None:
            if told:
                number = told[-1].number
                yield [_spell_after(each, spots) for each in told if _is_missed(each, selection, spots)]
                for each in told:
                    spots[each.feed] = max(spots.get(each.feed, each.spot), each.spot, key=_order)
            elif all(hub.spots[name].order >= spots[name].order for name in feeds):
                return
            else:  # another process was ahead of this one
                await asyncio.sleep(_BEHIND_SECONDS)


def _order(spot: Spot) -> Order:
    return spot.order


def _is_missed(told: Told, selection: Selection, spots: Places) -> bool:
    is_after = told.feed not in spots or told.spot.order > spots[told.feed].order
    return is_after and selection.has(told.entry.message)


def _spell_after(told: Told, spots: Places) -> Entry:
    """Return a message with a position that does not go back behind what the client had already."""
    reached = {**told.before, told.feed: told.spot}
    ahead = {
        name: spot for name, spot in spots.items() if name in reached and spot.order > reached[name].order
    }
    if not ahead:
        return told.entry
    return Entry(told.entry.message, write_position(reached | ahead), told.entry.plan)


async def _read(
    site: Site, selection: Selection, name: str, spots: dict[str, Spot], goal: Spot
) -> AsyncIterator[list[Entry]]:
    """Yield what a feed told between a spot and another one, from MongoDB; `spots` moves on with it."""
    if spots[name].order >= goal.order:
        return
    if name == "live" and not site.store.has_change_streams:  # which has no instant of its changes
        if "state" in selection.topics:
            raise PositionLost("error.position_lost")
        spots[name] = goal
        return
    steps = _list_missed(site, name, spots[name], goal)
    with closing(steps):  # type: ignore[type-var]
        while batch := await asyncio.to_thread(_take, steps):
            entries = []
            for spot, message in batch:
                spots[name] = spot
                if selection.has(message):
                    entries.append(Entry(message, write_position(spots), site.settings.numbers))
            if entries:
                yield entries
    spots[name] = max(spots[name], goal, key=_order)


def _take(steps: Iterator[tuple[Spot, Message]]) -> list[tuple[Spot, Message]]:
    return list(islice(steps, _AT_ONCE))


def _list_missed(site: Site, name: str, begin: Spot, goal: Spot) -> Iterator[tuple[Spot, Message]]:
    """Yield the messages between two spots, counted at their place as the hub counts them."""
    after = begin.place if begin.taken is None else place_before(begin.place)
    last, count, hosts = "", 0, HostNews()
    with closing(read_feed(site.store, site.clock, name, after=after, wait_seconds=_AWAIT_SECONDS)) as feed:
        for number, (place, changed) in enumerate(feed):
            if changed is None and number > 0 and not site.store.has_change_streams:
                return  # what there is was told by then
            if Spot(place, 0).order > goal.order or (changed is None and Spot(place).order >= goal.order):
                return
            last, count = place, count if place == last else 0
            messages = [] if changed is None else name_change(changed)
            news = set(map(id, hosts.choose(messages)))
            for message in messages:
                count += 1
                spot = Spot(place, count)
                if spot.order > begin.order and id(message) in news:
                    yield spot, message
                if spot.order >= goal.order:
                    return


async def load_snapshot(site: Site, selection: Selection) -> list[Message]:
    """Return what is so now of all that is followed, as messages: who waits, who talks, what is open."""
    return await asyncio.to_thread(_load_snapshot, site, selection)


def _load_snapshot(site: Site, selection: Selection) -> list[Message]:
    found: dict[tuple[str, str], Message] = {}  # hosts are of every topic
    for topic in sorted(selection.topics - {"events", "requests", "reports"}):
        for changed in read_state(site.store, topic, site.now(), _build_scope(selection, topic)):
            for message in filter(selection.has, name_change(changed)):
                found[message.name, changed.id] = message
    return list(found.values())


def _build_scope(selection: Selection, topic: str) -> Any:
    """Return the query for the scope of a selection in the collection of a topic."""
    fields = dict.fromkeys(("alarms", "calls"), ("stations", "groups")) | {"missed": ("", "group")}
    return build_scope(selection.scope, *fields[topic]) if topic in fields else None
