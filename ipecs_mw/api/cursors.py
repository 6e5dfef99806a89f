"""Where a page of a list ends, so that the next one begins there; no cursor serves another list."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ipecs_mw.errors import CommandRefused
from ipecs_mw.store.server.pages import Listing, Place

_LONGEST_ID = 400


def write_cursor(listing: Listing, last: dict[str, Any]) -> str:
    """Return the cursor of the page after the one that ends with this document."""
    content = [listing.collection, last[listing.instant].isoformat(), str(last["_id"])]
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def read_cursor(listing: Listing, cursor: str | None) -> Place | None:
    """Return where a page begins; raises CommandRefused for what is no cursor of this list."""
    if cursor is None:
        return None
    try:
        content = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        collection, at, name = content
        instant = datetime.fromisoformat(at)
        if (
            collection == listing.collection
            and instant.tzinfo
            and isinstance(name, str)
            and len(name) <= _LONGEST_ID
        ):
            return instant.astimezone(UTC), name
    except (NotBase64, ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise CommandRefused("error.cursor_wrong", cursor=cursor[:80], list=listing.collection)


def cut_page(
    found: Iterable[dict[str, Any]], limit: int, listing: Listing
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the first `limit` documents, and the cursor of the next page where there are more."""
    items = list(islice(found, limit + 1))
    if len(items) <= limit:
        return items, None
    return items[:limit], write_cursor(listing, items[limit - 1])


def write_delivery_cursor(webhook: str, last: str) -> str:
    """Return the cursor of the page of a webhook's deliveries after the one that ends with this id."""
    return urlsafe_b64encode(json.dumps(["deliveries", webhook, last]).encode()).decode().rstrip("=")


def read_delivery_cursor(webhook: str, cursor: str | None) -> str | None:
    """Return the id after which a page of a webhook's deliveries begins; raises CommandRefused."""
    if cursor is None:
        return None
    try:
        collection, name, last = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if (collection, name) == ("deliveries", webhook) and isinstance(last, str):
            return last
    except (NotBase64, ValueError, TypeError, RecursionError):
        pass
    raise CommandRefused("error.cursor_wrong", cursor=cursor[:80], list="deliveries")
