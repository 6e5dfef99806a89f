"""One report, made, and handed to applications and the mail server."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.configuration.report_settings import MailSettings, ReportSettings
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.texts import Texts
from ipecs_mw.reports.document import build_document
from ipecs_mw.reports.message import build_message
from ipecs_mw.reports.question import build_question, find_zone
from ipecs_mw.service.reports.asking import Ask
from ipecs_mw.service.session.credentials import Decrypt, read_secret
from ipecs_mw.transport.mail import Refused, send_mail


class Answer(Struct, frozen=True):
    """What a report asks for, what it is answered with, and the language that it speaks."""

    name: str
    question: Question
    table: Table
    texts: Texts


def answer_report(
    settings: Settings, report: ReportSettings, texts: Texts, ask: Ask, due_at: datetime
) -> Answer:
    """Return what a report says that is due at an instant. Raises IpecsMwError."""
    question = build_question(report, find_zone(settings, report), due_at)
    return Answer(report.name, question, ask(question), texts.speak(report.language or settings.locale))


def describe_report(
    answer: Answer, report: ReportSettings, *, due_at: datetime, made_at: datetime
) -> dict[str, Any]:
    """Return a report as the document that applications are told."""
    return build_document(
        answer.name,
        answer.question,
        answer.table,
        answer.texts,
        due_at=due_at,
        made_at=made_at,
        webhooks=report.webhooks,
    )


def require_mail(settings: Settings, profile: str) -> MailSettings:
    """Return the mail server of a profile; raises CannotStart where it has none."""
    if settings.mail is None:
        raise CannotStart("error.mail_missing", profile=profile)
    return settings.mail


def read_password(mail: MailSettings, profile: str, decrypt: Decrypt) -> str | None:
    """Return the password for the mail server; None where it asks for none. Raises IpecsMwError."""
    at = f"config/{profile} mail.password"
    return None if mail.password is None else read_secret(mail.password, at, decrypt)


def write_report(
    answer: Answer, mail: MailSettings, *, run: str, to: Sequence[str], clock: Clock
) -> EmailMessage:
    """Return the mail of a report that is for `to`, from the sender that is configured."""
    return build_message(
        answer.name,
        answer.question,
        answer.table,
        answer.texts,
        run=run,
        sender=mail.sender,
        to=to,
        at=clock.now(),
    )


def send_report(
    answer: Answer,
    mail: MailSettings,
    password: str | None,
    *,
    run: str,
    to: Sequence[str],
    left: Sequence[str],
    clock: Clock,
) -> Refused:
    """Send a report that is for `to` to those in `left`; return those that the server refused.

    Raises MailNotSent.
    """
    message = write_report(answer, mail, run=run, to=to, clock=clock)
    return send_mail(mail, password, message, left, clock)
