"""What a host does not send although it was to be asked to: since when, and the gap that this leaves."""

from contextlib import suppress

from ipecs_mw.errors import JournalError
from ipecs_mw.service.intake.gaps import Moment, bound_gap
from ipecs_mw.service.intake.intake import Intake

REASON = "not_monitored"
_SHORTEST_SECONDS = 2.0  # what every start of monitoring takes is no gap


class Uncovered:
    """Since when each subscription is not served; used by one thread.

    The journal keeps the earliest, so that a run that was killed leaves it to the next one.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._since: dict[str, Moment] = {}

    def recall(self) -> Moment | None:
        """Return since when a former run may have left something uncovered."""
        since = self._intake.journal.uncovered_since
        return None if since is None else Moment(since)

    def begin(self, name: str, since: Moment) -> None:
        """Note that a subscription is not served since then; where it was not before, that stays."""
        self._since.setdefault(name, since)
        self._remember()

    def end(self, name: str, count: int) -> None:
        """Record the gap of a subscription for `count` numbers that is served from now on, or no longer wanted.

        Raises JournalError, and may be repeated then.
        """
        begun = self._since.get(name)
        if begun is None:
            return
        now = Moment.read(self._intake.clock)
        if now.monotonic - begun.monotonic >= _SHORTEST_SECONDS:
            since, until = bound_gap(begun, now)
            self._intake.record(
                "gap",
                "warning",
                since=since,
                until=until,
                reason=REASON,
                subscription=name,
                count=count,
            )
        del self._since[name]
        self._remember()

    def _remember(self) -> None:
        journal = self._intake.journal
        earliest = min((since.at for since in self._since.values()), default=None)
        if journal.uncovered_since != earliest:
            with suppress(JournalError):  # as on a full disk: it only serves a run that comes after a kill
                journal.remember_uncovered(earliest)
