"""A position in the stream: how far somebody is in each feed, in a text that any process understands."""

import re
from collections.abc import Mapping
from typing import Self

from ipecs_mw.errors import CommandRefused
from ipecs_mw.store.applications.feed import Order, read_order

_LETTERS: Mapping[str, str] = {
    "alarms": "a",
    "calls": "c",
    "events": "e",
    "figures": "f",
    "gaps": "g",
    "live": "l",
    "missed": "m",
    "reports": "p",
    "requests": "r",
}
_NAMES = {letter: name for name, letter in _LETTERS.items()}
_PART = re.compile(r"([acefglmpr])([~0-9A-Za-z_=-]{1,400}?)(?:\+([0-9]{1,3}))?")
_LONGEST = 1500

Places = Mapping[str, "Spot"]


class Spot(tuple[str, int | None]):
    """A place in a feed: its text, and how many messages were taken that have this place; None for all of them."""

    __slots__ = ()

    def __new__(cls, place: str, taken: int | None = None) -> Self:
        """Return the spot."""
        return super().__new__(cls, (place, taken))

    @property
    def place(self) -> str:
        """The place as the feed spells it."""
        return self[0]

    @property
    def taken(self) -> int | None:
        """How many messages of this place were taken; None for all."""
        return self[1]

    @property
    def order(self) -> Order:
        """What spots of one feed are compared by."""
        return (*read_order(self.place), 1 if self.taken is None else 0, self.taken or 0)


def write_position(spots: Places) -> str:
    """Return the text of a position."""
    return ".".join(
        f"{_LETTERS[name]}{spot.place}{'' if spot.taken is None else f'+{spot.taken}'}"
        for name, spot in sorted(spots.items())
    )


def read_position(text: str) -> dict[str, Spot]:
    """Return what a position says; raises CommandRefused for what is none."""
    spots: dict[str, Spot] = {}
    for part in text.split(".") if len(text) <= _LONGEST else ("",):
        found = _PART.fullmatch(part)
        if found is None or _NAMES[found[1]] in spots:
            raise CommandRefused("error.position_wrong", position=text[:80])
        read_order(found[2])
        spots[_NAMES[found[1]]] = Spot(found[2], None if found[3] is None else int(found[3]))
    return spots
