"""How figures are followed from a position: each quarter hour that is counted, or counted anew."""

from typing import Any

from msgspec import Struct

from ipecs_mw.store.server.following import Source
from ipecs_mw.store.server.pages import Listing

SOURCE = Source(
    Listing("figures", "updated_at", "error.no_such_choice"),
    ("insert", "replace", "update", "delete"),
    version="revision",
)
"""Each change of a quarter hour; that it has no figures any more, too."""


class FigureFilter(Struct, frozen=True):
    """Which figures: of a host, and of agents at a station."""

    host: str | None = None
    station: str | None = None

    def build(self) -> dict[str, Any]:
        """Return the filter as MongoDB takes it; values are values, never operators."""
        equal = {"host": self.host, "stations": self.station}
        return {name: {"$eq": value} for name, value in equal.items() if value is not None}
