"""One thread a feed: reads its changes for all clients of the process, and comes back from whatever breaks."""

import threading
from collections.abc import Callable

from ipecs_mw import logs
from ipecs_mw.api.site import Site
from ipecs_mw.errors import CommandRefused, PositionLost, StoreError
from ipecs_mw.messages.message import Changed
from ipecs_mw.store.applications.feed import find_place, read_feed

log = logs.get_logger()

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0

Take = Callable[[str, str, Changed | None], None]
"""Takes the name of a feed, a place, and the change there; None where the place alone moved on."""


class Feeding:
    """Reads one feed until stopped. `lost` is called with its name where what came in between cannot be told.

    It begins `before_seconds` ago, and `wait` returns once it has come to the instant at which it began.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        take: Take,
        lost: Callable[[str], None],
        stop: threading.Event,
        *,
        before_seconds: int = 0,
    ) -> None:
        self.name = name
        self.is_up = False
        self._site = site
        self._take = take
        self._lost = lost
        self._stop = stop
        self._place: str | None = None
        self._goal = ""
        self._before_seconds = before_seconds
        self._begun = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"feed-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    @property
    def has_begun(self) -> bool:
        """Whether it reads."""
        return self._begun.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it reads; tell whether it does."""
        return self._begun.wait(seconds)

    def _run(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while not self._stop.is_set():
            try:
                self._read()
            except (PositionLost, CommandRefused):
                log.warning("api.position_lost", feed=self.name)
                has_told = self._begun.is_set()
                self._place = None
                if has_told:
                    self._lost(self.name)
                continue
            except StoreError as error:
                if self.is_up:
                    log.warning("api.feed_away", feed=self.name, detail=logs.explain(error))
            except Exception:  # one fault of ours must not end the feed for all
                log.critical("api.feed_failed", feed=self.name, exc_info=True)
            else:
                wait = _FIRST_WAIT_SECONDS
            self.is_up = False
            self._site.clock.wait(self._stop, wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        self._begun.set()  # nobody is to wait any more

    def _read(self) -> None:
        """Take steps until stopped. Raises StoreError."""
        if self._before_seconds:
            self._goal = find_place(self._site.store, 0) or ""
            self._place = find_place(self._site.store, self._before_seconds)
            self._before_seconds = 0
        feed = read_feed(self._site.store, self._site.clock, self.name, after=self._place)
        try:
            for place, changed in feed:
                if self._stop.is_set():
                    return
                self.is_up = True
                self._place = place
                self._take(self.name, place, changed)
                if place >= self._goal:
                    self._begun.set()
        finally:
            feed.close()
