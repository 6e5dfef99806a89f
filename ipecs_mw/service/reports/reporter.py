"""Sends each report when it is due, once for all daemons of a profile; what failed is tried again for a day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache

from ipecs_mw import logs
from ipecs_mw.errors import StoreError, StoreRefused
from ipecs_mw.model.configuration.report_settings import MailSettings, ReportSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.reports.question import find_zone
from ipecs_mw.reports.schedule import build_schedule, find_last
from ipecs_mw.service.intake.own_records import journal_errors_logged
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.reports.asking import Ask
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.reports.outbox import MOST_DOUBTS, GivenUp, Outbox, Outcome
from ipecs_mw.service.reports.sending import Answer, answer_report, describe_report, write_report
from ipecs_mw.store.coordination.report_runs import Run, claim_run, find_newest, note_run
from ipecs_mw.store.figures.reports import keep_report
from ipecs_mw.transport.mail import spell_server

log = logs.get_logger()

_LOOK_SECONDS = 5.0
_MAKING_SECONDS = 120.0
_GIVE_UP = timedelta(hours=24)


class Reporter:
    """Sends the reports of a profile; `run` is its thread.

    `build_ask` gives what answers questions by a configuration. Who wants to send a
    report claims its run, so that any number of daemons may look after the same reports.
    """

    def __init__(self, context: Context, build_ask: Callable[[Settings], Ask]) -> None:
        self._context = context
        self._build_ask = build_ask
        self._outbox = Outbox(context.store, context.profile, context.decrypt, context.clock, self._tell)
        self._noted: dict[str, tuple[str, datetime]] = {}
        self._mail: MailSettings | None = None

    def run(self) -> None:
        """Look every few seconds until stopped, whatever becomes of MongoDB."""
        take_turns(self._take_turn, self._context.clock, self._context.stop, self._tell_stopped)

    def _take_turn(self) -> float:
        self.turn()
        return _LOOK_SECONDS

    def _tell_stopped(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("reports.stopped", detail=logs.explain(error))

    def turn(self) -> None:
        """Note what is due, and see to all that is to be tried now. Raises StoreError."""
        spoken = self._context.read()
        mail = spoken.settings.mail
        if mail is None and all(report.to for report in spoken.settings.reports):
            return
        if mail and mail != self._mail and mail.security != "none" and mail.tls.verify == "off":
            log.warning("mail.unverified", server=spell_server(mail))
        self._mail = mail
        for report in spoken.settings.reports:
            self._note(spoken.settings, report)
        while not self._context.stop.is_set():
            run = claim_run(self._context.store, self._context.profile, self._context.owner, _MAKING_SECONDS)
            if run is None:
                return
            self._see_to(run, spoken)

    def _note(self, settings: Settings, report: ReportSettings) -> None:
        """Note that a report is due, once; what was due before there was a report of this schedule is skipped."""
        now = self._context.clock.now()
        schedule = build_schedule(report, find_zone(settings, report))
        due_at, word = find_last(schedule, now), schedule.spell()
        if self._noted.get(report.name) == (word, due_at):
            return
        newest = find_newest(self._context.store, self._context.profile, report.name, now)
        is_known = newest is not None and newest.schedule == word
        if newest is None or not is_known or newest.due_at < due_at:
            note_run(
                self._context.store,
                self._context.profile,
                report.name,
                due_at,
                word,
                now,
                is_skipped=not is_known,
            )
        self._noted[report.name] = (word, due_at)

    def _see_to(self, run: Run, spoken: Spoken) -> None:
        """Try a run that was claimed, or give it up."""
        settings, texts = spoken.settings, spoken.texts
        report = next((each for each in settings.reports if each.name == run.name), None)
        now = self._context.clock.now()
        if run.doubts >= MOST_DOUBTS:
            self._outbox.give_up(run, "unknown", run.error or texts.render("report.interrupted"))
        elif report is None:
            self._outbox.give_up(run, "failed", run.error or texts.render("report.removed"))
        elif is_over(run, find_last(build_schedule(report, find_zone(settings, report)), now), now):
            state: GivenUp = "unknown" if run.doubts else "failed"
            self._outbox.give_up(run, state, run.error or texts.render("report.too_late"))
        else:
            self._try(run, report, spoken)

    def _try(self, run: Run, report: ReportSettings, spoken: Spoken) -> None:
        """Tell a report to webhooks, and mail it to whom it has not gone yet; what becomes of it is noted."""
        settings, texts, clock = spoken.settings, spoken.texts, self._context.clock

        @cache
        def answer() -> Answer:
            return answer_report(settings, report, texts, self._build_ask(settings), run.due_at)

        def keep() -> None:
            content = describe_report(answer(), report, due_at=run.due_at, made_at=clock.now())
            keep_report(self._context.store, run.id, content)

        def build(mail: MailSettings) -> EmailMessage:
            return write_report(answer(), mail, run=run.id, to=report.to, clock=clock)

        if not self._outbox.prepare(run, texts, keep):
            return
        if report.to:
            self._outbox.send(run, report.to, settings, texts, build)
        else:
            self._outbox.end(run)

    def _tell(self, run: Run, outcome: Outcome, reason: str) -> None:
        due = f"{run.due_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        with journal_errors_logged():
            if outcome == "sent":
                self._context.intake.record("report.sent", report=run.name, due=due)
            elif outcome == "late":
                self._context.intake.record("report.late", "warning", report=run.name, due=due, detail=reason)
            else:
                key = "report.unknown" if outcome == "unknown" else "report.failed"
                self._context.intake.record(key, "error", report=run.name, due=due, detail=reason)


def is_over(run: Run, last_due_at: datetime, now: datetime) -> bool:
    """Tell whether a run is of no use any more: the next one is due, or it was tried for a day."""
    first_at = run.first_at or now
    return run.due_at < last_due_at or now - first_at >= _GIVE_UP
