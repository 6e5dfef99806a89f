"""Gaps in the events of a host: what happened meanwhile is in no figure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Gap = tuple[datetime, datetime]
"""Since when and until when events are missing."""


def read_gap(event: Mapping[str, Any]) -> Gap | None:
    """Return when events were missing by an event `gap`; None for others, and where it is of single stations."""
    data = event.get("data") or {}
    if event["type"] != "gap" or data.get("subscription"):
        return None
    try:
        since, until = (
            each if isinstance(each, datetime) else datetime.fromisoformat(str(each))
            for each in (data["since"], data["until"])
        )
        is_span = since < until
    except (KeyError, ValueError, TypeError):
        return None
    return (since, until) if is_span else None
