"""What changes in MongoDB, as it happens.

One change stream tells of everything: for each one that is open the server looks at every event that is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ipecs_mw.store.configuration.setup import WATCHED
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_WAIT_MS = 1000
_PIPELINE: list[dict[str, Any]] = [
    {
        "$match": {
            "$or": [
                {"ns.coll": "requests", "operationType": "insert"},
                {"ns.coll": {"$in": list(WATCHED)}},
            ]
        }
    },
    {"$project": {"ns": 1, "fullDocument.host": 1, "fullDocument.state": 1}},
]


@dataclass(frozen=True, slots=True)
class Change:
    """A request was written, for `host` where it names one; else what `read_setup` returns has changed."""

    is_request: bool
    host: str | None = None
    is_queued: bool = True
    """Whether it is in the state that a request begins with, and its host can be one."""


def watch_changes(store: Store) -> Iterator[Change | None]:
    """Yield each change, None once the stream is open and then about once a second without one.

    What happened before the first None is to be looked for. Needs change streams; ends when the stream does.
    Raises StoreError: what changed meanwhile is then to be looked for too.
    """
    with store_errors(), store.database.watch(_PIPELINE, max_await_time_ms=_WAIT_MS) as stream:
        yield None
        while stream.alive:
            found = stream.try_next()
            yield None if found is None else _read(found)


def _read(found: dict[str, Any]) -> Change:
    is_request = (found.get("ns") or {}).get("coll") == "requests"
    document = (found.get("fullDocument") or {}) if is_request else {}
    host = document.get("host")
    is_queued = document.get("state") == "queued" and isinstance(host, str | None)
    return Change(is_request, host if isinstance(host, str) else None, is_queued or not is_request)
