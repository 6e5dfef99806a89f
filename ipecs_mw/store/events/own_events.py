"""Events of the middleware itself that a command tells: it has no journal, so they go to MongoDB at once."""

from typing import Any

from bson import ObjectId

from ipecs_mw.clock import Clock
from ipecs_mw.model.event import Event
from ipecs_mw.store.events.event_log import EventLog, build_document
from ipecs_mw.store.server.connection import Store


class OwnEvents:
    """Keeps such events in the event log of one database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._events = EventLog(store)
        self._clock = clock

    def record(self, event: str, /, **facts: Any) -> None:
        """Store an event: `number.erased` becomes the type `number_erased`. Raises StoreError."""
        at = self._clock.now()
        told = Event("system", event.replace(".", "_"), at, at=at, data=facts)
        self._events.append([build_document(f"-:command:{ObjectId()}", None, 0, told)])
