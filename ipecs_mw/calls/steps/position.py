"""Where an event stands in the order in which its host sent it, and what of the log has been read.

A connection to a host has a number that counts up across all daemons, and a journal numbers its entries; the two
order the events of a host whatever the clocks of the daemons say (docs/events.md, "Order").
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

BEGINNING = ""
"""Before every event."""

_CONNECTION_DIGITS = 16
_SEQ_DIGITS = 12
_GAP = ":gap"


def find_order(event: Mapping[str, Any]) -> str:
    """Return the place of an event of the log among those of its host, as text that compares so.

    A gap stands before the event that told of it, which has its number.
    """
    number = str(event["seq"]).zfill(_SEQ_DIGITS)  # half the work of a format
    return _begin_order(event.get("connection", 0)) + number + (":0" if event["_id"].endswith(_GAP) else ":1")


@lru_cache(maxsize=64)
def _begin_order(connection: int) -> str:
    return f"{connection:0{_CONNECTION_DIGITS}}:"


def split_order(order: str) -> tuple[int, int]:
    """Return connection and number of the event that stands there."""
    connection, seq, _ = order.split(":")
    return int(connection), int(seq)


def find_entry(event: Mapping[str, Any]) -> tuple[str, int]:
    """Return the journal that an event came from, and its number there; the journal is blank where it is unknown.

    The id of a call record is made of what it says, so it names its journal in a field.
    """
    journal = event.get("journal", "") if event["kind"] == "smdr" else event["_id"].split(":", 2)[1]
    return journal, event["seq"]


def begin_id(host: str, journal: str, seq: int) -> str:
    """Return what sorts before the ids of all events of a journal from number `seq` on, and after those before."""
    return f"{host}:{journal}:{seq:0{_SEQ_DIGITS}}"
