"""A phone number that calls are asked for by, in any spelling: by the number plan of the configuration."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ipecs_mw.model.numbers import PLAIN, read_all, read_number
from ipecs_mw.store.calls.options import load_options
from ipecs_mw.store.server.connection import Store


class Number(Struct, frozen=True):
    """What a number can mean, and how it may be written where the number plan is not known."""

    readings: Sequence[str]
    spellings: Sequence[str] = ()

    def build(self, *fields: str) -> dict[str, Any]:
        """Return the query for it; `fields` are those that have the number as it was told."""
        by_reading = {"numbers": {"$in": list(self.readings)}}
        if not self.spellings:
            return by_reading
        return {"$or": [by_reading, *({field: {"$in": list(self.spellings)}} for field in fields)]}


def read_wanted(store: Store, profile: str | None, text: str) -> Number:
    """Return the number that a text is; who may not read the configuration gets it compared as it is written."""
    options = load_options(store, profile)
    readings = sorted(read_all(text, PLAIN if options is None else options.plan))
    if options is not None:
        return Number(readings)
    return Number(readings, tuple(dict.fromkeys((text.strip(), read_number(text) or text.strip()))))
