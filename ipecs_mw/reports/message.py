"""A report as a mail: text, HTML, and the table as CSV beside them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from ipecs_mw.figures.answers.csv_table import write_table
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.csv_text import BYTE_ORDER_MARK
from ipecs_mw.reports.content import build_content
from ipecs_mw.reports.html_page import render_html
from ipecs_mw.reports.plain_page import render_text

_POLICY = SMTP.clone(cte_type="7bit")
"""What every mail server takes, those of long ago included."""


def render_csv(question: Question, table: Table, texts: Texts) -> str:
    """Return the table as a file for spreadsheets."""
    lines = write_table(table, texts, ZoneInfo(question.zone or "UTC"))
    return BYTE_ORDER_MARK + "".join(f"{line}\r\n" for line in lines)


def begin_message(subject: str, *, run: str, sender: str, to: Sequence[str], at: datetime) -> EmailMessage:
    """Return a mail that says nothing yet, with all that stands above."""
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = name_message(run, sender)
    message["Auto-Submitted"] = "auto-generated"  # no answers from those who are on holiday
    return message


def name_message(run: str, sender: str) -> str:
    """Return the Message-ID of the mail of a run, the same each time."""
    return f"<{hashlib.sha256(run.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"


def build_message(
    name: str,
    question: Question,
    table: Table,
    texts: Texts,
    *,
    run: str,
    sender: str,
    to: Sequence[str],
    at: datetime,
) -> EmailMessage:
    """Return the mail of the report `name`, written at an instant.

    `run` tells this time of the report from all others: the same run gives the same Message-ID, so that who gets
    a mail twice can tell.
    """
    content = build_content(name, question, table, texts)
    message = begin_message(f"{name}: {content.subject}", run=run, sender=sender, to=to, at=at)
    message.set_content(render_text(content))
    message.add_alternative(render_html(content), subtype="html")
    day = f"{question.since.astimezone(ZoneInfo(question.zone or 'UTC')):%Y-%m-%d}"
    message.add_attachment(
        render_csv(question, table, texts).encode(),
        maintype="text",
        subtype="csv",
        filename=f"{name}-{day}.csv",
        params={"charset": "utf-8"},
    )
    return message
