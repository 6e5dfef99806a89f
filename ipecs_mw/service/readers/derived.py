"""What a reader has made of events and is about to put into MongoDB."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw.figures.counting.gaps import Gap

Document = dict[str, Any]


class Derived(Struct):
    """What has been derived and is to be put into MongoDB: documents by id, None for what is no more.

    Where a stretch is `swept`, what it began and is neither there nor `expected` is no more, either. `lasting` are
    intervals of which more is to come. `at` is when the last event was received; `is_whole` where nothing is held
    back, `is_all` where what follows from these documents may not be there although they are. `gaps` are stretches
    of time without events.
    """

    calls: dict[str, Document | None]
    states: dict[str, Document | None]
    lasting: Collection[str]
    at: datetime | None
    is_whole: bool
    is_all: bool
    gaps: Sequence[Gap]
    swept: tuple[str, str] | None = None
    expected: Collection[str] = ()
