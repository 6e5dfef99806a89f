"""What somebody wants to know of figures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ipecs_mw.model.figure_names import Interval, What

USUAL_INTERVALS: Mapping[str, Interval] = {"hours": "1h"}
"""What → its interval where nobody says one, unless that is `all`."""


class Question(Struct, frozen=True, kw_only=True):
    """`since` ≤ instant < `until` (aware UTC), in intervals of a zone; everything else narrows down.

    `zone` is an IANA name; None: the zone of the host. `formula` and `threshold_seconds` in place of those that
    are configured. `top` rows at most, those with most calls first. `hours` is `office`, `outside`, or the name of
    a shift. `order` is by what the longest or dearest calls are found.
    """

    what: What
    since: datetime
    until: datetime
    interval: Interval = "all"
    zone: str | None = None
    host: str | None = None
    group: str | None = None
    agent: str | None = None
    station: str | None = None
    formula: str | None = None
    threshold_seconds: int | None = None
    top: int | None = None
    hours: str | None = None
    order: Literal["seconds", "cost"] = "seconds"
