"""An event: what happened, in our words."""

from datetime import datetime
from typing import Any

from msgspec import Struct


class Event(Struct, frozen=True, gc=False):
    """One event of the log; None and empty mean absent.

    `raw` is the JSON object as received, or the bytes where it is not JSON; secrets are masked in both. `at` and
    `received_at` are aware UTC. `problems` says in short what was wrong with the frame.
    """

    kind: str
    type: str
    received_at: datetime
    raw: Any = None
    code: int | None = None
    at: datetime | None = None
    call_ref: int | None = None
    serial: int | None = None
    stations: tuple[str, ...] = ()
    group: str | None = None
    data: dict[str, Any] = {}
    problems: tuple[str, ...] = ()
