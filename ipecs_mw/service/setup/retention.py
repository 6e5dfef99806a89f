"""Having events and calls kept as the configuration says, however long MongoDB is away."""

import threading
from collections.abc import Callable

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreRefused, StoreUnavailable
from ipecs_mw.store.schema.retention import Retention, apply_retention, describe_longer
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0


def keep_as_configured(
    store: Store, profile: str, read: Callable[[], Retention], clock: Clock, stop: threading.Event
) -> None:
    """Have events and calls kept as `read` says, tried again until MongoDB has done it or `stop` is set.

    What it refuses is logged and left to the next start or change.
    """
    wait_seconds = _FIRST_RETRY_SECONDS
    while not stop.is_set():
        try:
            longer = apply_retention(store, profile, read())
        except StoreRefused as error:
            log.warning("events.retention_refused", detail=logs.explain(error))
            return
        except StoreUnavailable as error:
            log.debug("retention not set yet", error=str(error))
            clock.wait(stop, wait_seconds)
            wait_seconds = min(2 * wait_seconds, _LONGEST_RETRY_SECONDS)
        else:
            if longer:
                log.warning("events.retention_longer", profile=profile, **describe_longer(longer))
            return
