"""What the middleware records of itself, apart from any host."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from ipecs_mw import logs
from ipecs_mw.errors import JournalError
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.events import build_undecodable

log = logs.get_logger()


@contextmanager
def journal_errors_logged() -> Iterator[None]:
    """Go on where the journal does not take the record of what has happened already."""
    try:
        yield
    except JournalError as refused:
        log.error("journal.refused", host="middleware", detail=logs.explain(refused))


def keep_undecoded(body: bytes, received_at: datetime) -> Event:
    """Return a frame as it is: the middleware's own intake gets none."""
    return build_undecodable(body, received_at, "frame without a host")
