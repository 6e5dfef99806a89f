"""What is told by itself, each a thread of the daemon: reports, alarms, and the mails about these."""

import threading
from collections.abc import Callable, Mapping

from ipecs_mw.clock import Clock
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.reports.alarm_keeper import AlarmKeeper
from ipecs_mw.service.reports.alarm_mailer import AlarmMailer
from ipecs_mw.service.reports.asking import build_ask
from ipecs_mw.service.reports.reporter import Reporter, Spoken
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.server.connection import Store


def build_tasks(
    store: Store,
    profile: str,
    owner: str,
    read: Callable[[], Spoken],
    decrypt: Decrypt,
    intake: Intake,
    clock: Clock,
    stop: threading.Event,
) -> Mapping[str, Callable[[], None]]:
    """Return name → what runs until `stop` is set; `read` gives the configuration as it is now."""
    reporter = Reporter(
        store,
        profile,
        owner,
        read,
        lambda settings: build_ask(store, settings),
        decrypt,
        intake,
        clock,
        stop,
    )
    return {
        "reports": reporter.run,
        "alarms": AlarmKeeper(store, profile, owner, read, intake, clock, stop).run,
        "alarm-mails": AlarmMailer(store, profile, owner, read, decrypt, intake, clock, stop).run,
    }
