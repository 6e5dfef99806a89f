"""Raises alarms, and ends them: one thread, in one daemon of all of a profile.

What was raised is kept in MongoDB before it is told, and what was told is noted there, so that the next daemon
goes on where this one stopped. One that dies between telling and noting has an alarm be in the event log twice,
with the same id; its mail goes once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ipecs_mw import logs
from ipecs_mw.errors import JournalError, StoreError, StoreRefused
from ipecs_mw.figures.answers.alarms import OF_CALLS, Facts, Judgement, judge
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.model.texts import Texts
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.process.sole_right import SoleRight
from ipecs_mw.service.reports.context import Context, Spoken
from ipecs_mw.store.coordination.report_runs import count_alarms, note_alarm
from ipecs_mw.store.figures.alarm_facts import LATEST, load_facts
from ipecs_mw.store.figures.alarms import (
    Progress,
    Raised,
    end_alarm,
    follow_rules,
    load_lasting,
    load_progress,
    load_untold,
    name_lease,
    note_told,
    raise_alarm,
    save_progress,
)

log = logs.get_logger()

_LOOK_SECONDS = 1.0
_CALM = timedelta(seconds=60)
"""So long must be over what may be back at once, before it is said to be."""

_SAVED_EVERY = timedelta(seconds=10)  # what changed since is looked at again

_MOST_MAILS = 60
_MAILS_OF = timedelta(hours=1)

_Judgements = Mapping[tuple[str, str], Judgement]
"""What each rule finds, by its name and the host's."""


class AlarmKeeper:
    """Looks for alarms of a profile while it holds the right to; `run` is its thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._right = SoleRight(context.store, name_lease(context.profile), context.owner, context.clock)
        self._calm_since: dict[str, datetime] = {}

    def run(self) -> None:
        """Look each second until stopped, whatever becomes of MongoDB."""
        take_turns(self._take_turn, self._context.clock, self._context.stop, self._tell_stopped)
        self._right.let_go()

    def _take_turn(self) -> float:
        if self._right.hold():
            self.turn()
        return _LOOK_SECONDS

    def _tell_stopped(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("alarms.stopped", detail=logs.explain(error))

    def turn(self) -> None:
        """Raise what is new, end what is over, tell what was not told. Raises StoreError."""
        spoken, now = self._context.read(), self._context.clock.now()
        rules = spoken.settings.alarms
        progress = load_progress(self._context.store, self._context.profile)
        if not rules and progress is None:
            return
        marks = follow_rules(progress, rules, now)
        lasting = load_lasting(self._context.store, self._context.profile)
        seen_at = now if progress is None else progress.seen_at
        of_calls = [each.cause for each in lasting if each.when in OF_CALLS]
        facts, seen = load_facts(self._context.store, spoken.settings, rules, seen_at, of_calls, now)
        judgements = _judge_all(rules, facts)
        since = {name: mark["since"] for name, mark in marks.items()}
        self._raise(spoken, judgements, lasting, since, now)
        self._end(rules, judgements, lasting, now)
        for alarm in load_untold(self._context.store, self._context.profile):
            self._tell(alarm, spoken, now)
        is_new = progress is None or progress.rules != marks
        if is_new or seen - seen_at >= _SAVED_EVERY:
            save_progress(self._context.store, self._context.profile, Progress(seen, marks))

    def _raise(
        self,
        spoken: Spoken,
        judgements: _Judgements,
        lasting: Sequence[Raised],
        since: Mapping[str, datetime],
        now: datetime,
    ) -> None:
        known = {(each.rule, each.host, each.cause) for each in lasting}
        by_name = {rule.name: rule for rule in spoken.settings.alarms}
        for (name, host), judgement in judgements.items():
            floor = max(since[name], now - LATEST)
            for alarm in judgement.alarms:
                is_old = alarm.until is not None and alarm.until < floor
                if not is_old and (name, host, alarm.cause) not in known:
                    rule = by_name[name]
                    texts = spoken.texts.speak(rule.language or spoken.settings.locale)
                    what = str(texts.say(alarm.says))
                    raise_alarm(self._context.store, self._context.profile, rule, host, alarm, what, now)

    def _end(
        self,
        rules: Sequence[AlarmSettings],
        judgements: _Judgements,
        lasting: Sequence[Raised],
        now: datetime,
    ) -> None:
        kinds = {rule.name: rule.when for rule in rules}
        for each in lasting:
            judgement = judgements.get((each.rule, each.host))
            if judgement is None or kinds[each.rule] != each.when:  # nobody looks for it any more
                end_alarm(self._context.store, each, now, now)
            elif (ended_at := self._find_end(each, judgement, now)) is not None:
                end_alarm(self._context.store, each, ended_at, now)

    def _find_end(self, alarm: Raised, judgement: Judgement, now: datetime) -> datetime | None:
        """Return when an alarm was over; None while it lasts, or may."""
        found = next((each for each in judgement.alarms if each.cause == alarm.cause), None)
        if found is not None:
            self._calm_since.pop(alarm.id, None)
            return found.until
        if not judgement.is_known:
            return None
        if alarm.when in OF_CALLS:  # the call is no more
            return now
        calm_since = self._calm_since.setdefault(alarm.id, now)
        if now - calm_since < _CALM:
            return None
        del self._calm_since[alarm.id]
        return calm_since

    def _tell(self, alarm: Raised, spoken: Spoken, now: datetime) -> None:
        """Put what is untold of an alarm into the event log, and have it be mailed."""
        rule = next((each for each in spoken.settings.alarms if each.name == alarm.rule), None)
        for telling in alarm.list_untold():
            if rule is not None and rule.to and self._may_mail(rule, now):
                note_alarm(self._context.store, self._context.profile, rule.name, alarm.id, telling, now)
            try:
                self._record(alarm, telling, spoken.texts)
            except JournalError as error:
                log.error("journal.refused", host="middleware", detail=logs.explain(error))
                return
            note_told(self._context.store, alarm, telling)

    def _may_mail(self, rule: AlarmSettings, now: datetime) -> bool:
        """Tell whether a mail more is of use to anybody."""
        if rule.when == "emergency_call":
            return True
        return (
            count_alarms(self._context.store, self._context.profile, rule.name, now - _MAILS_OF) < _MOST_MAILS
        )

    def _record(self, alarm: Raised, telling: str, texts: Texts) -> None:
        what, id_, ended_at = texts.say(alarm.words), alarm.id, alarm.ended_at
        rule, host, when, since = alarm.rule, alarm.host, alarm.when, alarm.since
        if telling == "raised":
            self._context.intake.record(
                "alarm.raised", "warning", rule=rule, host=host, what=what, when=when, alarm=id_, since=since
            )
        else:
            self._context.intake.record(
                "alarm.ended", rule=rule, host=host, what=what, when=when, alarm=id_, until=ended_at
            )


def _judge_all(rules: Sequence[AlarmSettings], facts: Mapping[str, Facts]) -> _Judgements:
    return {
        (rule.name, host): judge(rule, each)
        for rule in rules
        for host, each in facts.items()
        if rule.host in (None, host)
    }
