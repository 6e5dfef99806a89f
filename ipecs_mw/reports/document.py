"""A report as a document: its figures as JSON has them, and the text that its mail has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table, describe_table
from ipecs_mw.model.texts import Texts
from ipecs_mw.reports.content import build_content
from ipecs_mw.reports.plain_page import render_text

_MOST_ROWS = 2000
"""A document has a bound, and so has what a receiver takes; the first rows are those that count most."""

_LIMITS = ("host", "group", "agent", "station", "hours", "zone")


def build_document(
    name: str,
    question: Question,
    table: Table,
    texts: Texts,
    *,
    due_at: datetime,
    made_at: datetime,
    webhooks: Sequence[str] | None,
) -> dict[str, Any]:
    """Return what a report says: `items` and `total` as in the API, `text` as in the mail.

    `is_cut` stands there where the table has more rows than fit; `webhooks` where somebody named some.
    """
    shown = Table(table.what, table.columns, table.rows[:_MOST_ROWS], table.total, table.notes)
    content = build_content(name, question, shown, texts)
    limits = {field: getattr(question, field) for field in _LIMITS}
    return {
        "report": name,
        "what": question.what,
        "subject": content.subject,
        "language": content.locale,
        "since": question.since,
        "until": question.until,
        "interval": question.interval,
        **{field: value for field, value in limits.items() if value is not None},
        "due_at": due_at,
        "made_at": made_at,
        **describe_table(shown),
        **({"is_cut": True} if len(table.rows) > _MOST_ROWS else {}),
        "text": render_text(content),
        **({"webhooks": list(webhooks)} if webhooks else {}),
    }
