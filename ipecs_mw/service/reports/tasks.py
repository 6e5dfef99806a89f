"""What is told by itself, each a thread of the daemon: reports, alarms, and the mails about these."""

from collections.abc import Callable, Mapping
from functools import partial

from ipecs_mw.service.reports.alarm_keeper import AlarmKeeper
from ipecs_mw.service.reports.alarm_mailer import AlarmMailer
from ipecs_mw.service.reports.asking import build_ask
from ipecs_mw.service.reports.context import Context
from ipecs_mw.service.reports.reporter import Reporter


def build_tasks(context: Context) -> Mapping[str, Callable[[], None]]:
    """Return name → what runs until it is to stop."""
    return {
        "reports": Reporter(context, partial(build_ask, context.store)).run,
        "alarms": AlarmKeeper(context).run,
        "alarm-mails": AlarmMailer(context).run,
    }
