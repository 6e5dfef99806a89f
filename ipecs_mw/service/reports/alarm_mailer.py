"""Mails alarms at once: any daemon of a profile sends what it has claimed; what fails is tried again for a day."""

from datetime import timedelta
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from ipecs_mw import logs
from ipecs_mw.errors import StoreError, StoreRefused
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.reports.alarm_message import Told, build_alarm_message
from ipecs_mw.service.intake.own_records import journal_errors_logged
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.service.reports.outbox import MOST_DOUBTS, GivenUp, Outbox, Outcome
from ipecs_mw.store.coordination.report_runs import Run, claim_run, name_alarm_run
from ipecs_mw.store.figures.alarms import Raised, load_alarm

log = logs.get_logger()

_LOOK_SECONDS = 1.0
_MAKING_SECONDS = 60.0
_GIVE_UP = timedelta(hours=24)


class AlarmMailer:
    """Sends the mails about alarms of a profile; `run` is its thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._outbox = Outbox(context.store, context.profile, context.decrypt, context.clock, self._tell)

    def run(self) -> None:
        """Look each second until stopped, whatever becomes of MongoDB."""
        take_turns(self._take_turn, self._context.clock, self._context.stop, self._tell_stopped)

    def _take_turn(self) -> float:
        self.turn()
        return _LOOK_SECONDS

    def _tell_stopped(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("alarms.stopped", detail=logs.explain(error))

    def turn(self) -> None:
        """Send all that is to be tried now. Raises StoreError."""
        spoken = self._context.read()
        if spoken.settings.mail is None:
            return
        while not self._context.stop.is_set():
            run = claim_run(
                self._context.store,
                self._context.profile,
                self._context.owner,
                _MAKING_SECONDS,
                is_alarm=True,
            )
            if run is None:
                return
            self._see_to(run, spoken)

    def _see_to(self, run: Run, spoken: Spoken) -> None:
        settings, texts = spoken.settings, spoken.texts
        rule = next((each for each in settings.alarms if each.name == run.name), None)
        alarm = load_alarm(self._context.store, run.alarm)
        if run.doubts >= MOST_DOUBTS:
            self._outbox.give_up(run, "unknown", run.error or texts.render("report.interrupted"))
        elif rule is None or not rule.to or alarm is None:
            self._outbox.give_up(run, "failed", run.error or texts.render("alarm.removed"))
        elif self._context.clock.now() - (run.first_at or self._context.clock.now()) >= _GIVE_UP:
            state: GivenUp = "unknown" if run.doubts else "failed"
            self._outbox.give_up(run, state, run.error or texts.render("report.too_late"))
        else:
            self._send(run, rule, alarm, spoken)

    def _send(self, run: Run, rule: AlarmSettings, alarm: Raised, spoken: Spoken) -> None:
        settings = spoken.settings
        texts = spoken.texts.speak(rule.language or settings.locale)

        def build(mail: MailSettings) -> EmailMessage:
            return build_alarm_message(
                Told(alarm.rule, alarm.host, alarm.words, alarm.since, alarm.ended_at),
                texts,
                _find_zone(settings, alarm.host),
                telling=run.telling,
                run=run.id,
                first_run=name_alarm_run(alarm.id, "raised"),
                sender=mail.sender,
                to=rule.to,
                at=self._context.clock.now(),
            )

        self._outbox.send(run, rule.to, settings, spoken.texts, build)

    def _tell(self, run: Run, outcome: Outcome, reason: str) -> None:
        with journal_errors_logged():
            if outcome == "late":
                self._context.intake.record(
                    "alarm.mail_late", "warning", rule=run.name, alarm=run.alarm, detail=reason
                )
            elif outcome != "sent":
                key = "alarm.mail_unknown" if outcome == "unknown" else "alarm.mail_failed"
                self._context.intake.record(key, "error", rule=run.name, alarm=run.alarm, detail=reason)


def _find_zone(settings: Settings, host: str) -> ZoneInfo:
    return ZoneInfo(next((each.timezone for each in settings.hosts if each.name == host), "UTC"))
