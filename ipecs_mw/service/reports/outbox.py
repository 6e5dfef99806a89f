"""A mail that was claimed: sent, tried again later, or given up; what becomes of it is noted and told."""

from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Literal

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, MailUnsure
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.service.reports.sending import read_password, require_mail
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.coordination.report_runs import Run, begin_sending, end_run, put_off
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.mail import send_mail

log = logs.get_logger()

MOST_DOUBTS = 2
"""So often at most a mail may have gone: the second time that nobody knows it, nothing is sent any more."""

_SPARE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 3600.0

Outcome = Literal["sent", "late", "failed", "unknown"]
GivenUp = Literal["failed", "unknown"]
Tell = Callable[[Run, Outcome, str], None]
"""Says what became of a mail, and why."""


class Outbox:
    """Sends claimed mails of a profile; `tell` is called when one has an outcome, and when it is first late."""

    def __init__(self, store: Store, profile: str, decrypt: Decrypt, clock: Clock, tell: Tell) -> None:
        self._store = store
        self._profile = profile
        self._decrypt = decrypt
        self._clock = clock
        self._tell = tell

    def prepare(self, run: Run, texts: Texts, do: Callable[[], None]) -> bool:
        """Do what comes before a mail; tell whether it is done, else the run is tried again later.

        Raises StoreError.
        """
        try:
            do()
        except IpecsMwError as error:
            self._put_off(run, texts.explain(error), sent_to=run.sent_to, is_doubtful=False)
            return False
        return True

    def end(self, run: Run) -> None:
        """Note that nothing of a run is left to be sent. Raises StoreError."""
        if end_run(self._store, run, "sent"):
            self._tell(run, "sent", "")

    def send(
        self,
        run: Run,
        to: Sequence[str],
        settings: Settings,
        texts: Texts,
        build: Callable[[MailSettings], EmailMessage],
    ) -> None:
        """Send what `build` makes to those in `to` whom it has not gone to yet. Raises StoreError."""
        left = [address for address in to if address not in run.sent_to]
        try:
            mail = require_mail(settings, self._profile)
            password = read_password(mail, self._profile, self._decrypt)
            message = build(mail)
            if not begin_sending(self._store, run, mail.timeout_seconds + _SPARE_SECONDS):
                return
            refused = send_mail(mail, password, message, left, self._clock)
        except IpecsMwError as error:
            reason = texts.explain(error)
            self._put_off(run, reason, sent_to=run.sent_to, is_doubtful=isinstance(error, MailUnsure))
            return
        if refused:
            reason = "; ".join(f"{address}: {reply}" for address, reply in refused.items())
            gone = [*run.sent_to, *(address for address in left if address not in refused)]
            self._put_off(run, reason, sent_to=gone, is_doubtful=False)
        else:
            self.end(run)

    def give_up(self, run: Run, state: GivenUp, reason: str) -> None:
        """Try a mail no more. Raises StoreError."""
        if end_run(self._store, run, state, error=reason):
            self._tell(run, state, reason)

    def _put_off(self, run: Run, reason: str, *, sent_to: Sequence[str], is_doubtful: bool) -> None:
        """Have a mail be tried again later, unless it may have gone twice."""
        reason = logs.mask(reason)
        if run.doubts + is_doubtful >= MOST_DOUBTS:
            self.give_up(run, "unknown", reason)
            return
        seconds = find_pause(run.tries)
        is_ours = put_off(self._store, run, seconds, reason, sent_to=sent_to, is_doubtful=is_doubtful)
        if is_ours and run.tries == 1:
            self._tell(run, "late", reason)
        else:
            log.debug("a mail was put off", name=run.name, seconds=seconds, reason=reason)


def find_pause(tries: int) -> float:
    """Return for how many seconds a mail rests after so many tries."""
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 30), _LONGEST_PAUSE_SECONDS)
