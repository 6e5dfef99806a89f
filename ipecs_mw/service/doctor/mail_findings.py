"""Whether mails can be sent, and what became of reports: findings about the mail server and the last runs."""

from collections.abc import Sequence

from ipecs_mw.clock import Clock
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.service.doctor.findings import Explain, Finding, Level, Notes, examine_secret
from ipecs_mw.service.session.credentials import Decrypt
from ipecs_mw.store.coordination.report_runs import load_runs
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.mail import spell_server, try_server

_LATE = ("waiting", "preparing", "sending")


def examine_mail(
    store: Store,
    profile: str,
    settings: Settings,
    decrypt: Decrypt,
    clock: Clock,
    explain: Explain,
    *,
    may_log_in: bool,
    missing: Level,
) -> Sequence[Finding]:
    """Connect to the mail server of a profile and log in, sending nothing; and look at the last runs of reports.

    `missing` is how bad a password is that cannot be read from here.
    """
    notes = Notes("mail", explain)
    if settings.mail is not None:
        _examine_server(settings.mail, profile, decrypt, clock, notes, may_log_in=may_log_in, missing=missing)
    with notes.step("reports_unknown", "warning"):
        names = {report.name for report in settings.reports}
        for run in load_runs(store, profile).values() if names else ():
            if run.name in names and run.error is not None:
                name = "report_late" if run.state in _LATE else "report_failed"
                notes.add(name, "warning", report=run.name, at=run.due_at, detail=run.error)
    return notes.findings


def _examine_server(
    mail: MailSettings,
    profile: str,
    decrypt: Decrypt,
    clock: Clock,
    notes: Notes,
    *,
    may_log_in: bool,
    missing: Level,
) -> None:
    if mail.security != "none" and mail.tls.verify == "off":
        notes.add("mail_unverified", "warning", server=spell_server(mail))
    password = None
    if mail.password is not None:
        password = examine_secret(mail.password, f"config/{profile} mail.password", decrypt, notes, missing)
    with notes.step("mail_failed"):
        try_server(mail, password if may_log_in else None, clock)
        notes.add("mail", server=spell_server(mail))
