"""Where a page of a list ends, so that the next one begins there; no cursor serves another list."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from itertools import islice
from typing import Any

from ipecs_mw.errors import CommandRefused
from ipecs_mw.store.server.pages import Listing, Place, read_place

_LONGEST_ID = 400


def write_cursor(*content: Any) -> str:
    """Return the text of a cursor: which list it is of, and where a page of it ends."""
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _read(cursor: str, *of: str) -> list[Any]:
    """Return where the page before ends, as a cursor of this list says; raises CommandRefused where it is none."""
    try:
        content = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if content[: len(of)] == list(of):
            found: list[Any] = content[len(of) :]
            return found
    except (NotBase64, ValueError, TypeError, LookupError, RecursionError):
        pass
    raise CommandRefused("error.cursor_wrong", cursor=cursor[:80], list=of[0])


def read_cursor(listing: Listing, cursor: str | None) -> Place | None:
    """Return where a page begins; raises CommandRefused for what is no cursor of this list."""
    if cursor is None:
        return None
    try:
        milliseconds, name = _read(cursor, listing.collection)
        if isinstance(name, str) and len(name) <= _LONGEST_ID and type(milliseconds) is int:
            return read_place(milliseconds, name)
    except (ValueError, TypeError, OverflowError):
        pass
    raise CommandRefused("error.cursor_wrong", cursor=cursor[:80], list=listing.collection)


def cut_page(
    found: Iterable[dict[str, Any]], limit: int, listing: Listing
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the first `limit` documents, and the cursor of the next page where there are more."""
    items = list(islice(found, limit + 1))
    if len(items) <= limit:
        return items, None
    place = listing.find_place(items[limit - 1])
    return items[:limit], None if place is None else write_cursor(listing.collection, *place)


def write_delivery_cursor(webhook: str, last: str) -> str:
    """Return the cursor of the page of a webhook's deliveries after the one that ends with this id."""
    return write_cursor("deliveries", webhook, last)


def read_delivery_cursor(webhook: str, cursor: str | None) -> str | None:
    """Return the id after which a page of a webhook's deliveries begins; raises CommandRefused."""
    if cursor is None:
        return None
    last = next(iter(_read(cursor, "deliveries", webhook)), None)
    if isinstance(last, str):
        return last
    raise CommandRefused("error.cursor_wrong", cursor=cursor[:80], list="deliveries")
