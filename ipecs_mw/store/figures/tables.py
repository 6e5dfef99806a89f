"""The tables that answer questions about figures."""

from ipecs_mw.figures.answers.columns import list_columns
from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.figures import of_calls, of_kept
from ipecs_mw.store.figures.asking import Asked, check_names, note_progress
from ipecs_mw.store.figures.frames import count_calls
from ipecs_mw.store.server.connection import Store

_ANSWERS = {**of_kept.ANSWERS, **of_calls.ANSWERS}


def ask(store: Store, settings: Settings, question: Question) -> Table:
    """Return the table that answers a question.

    Raises NoSuchName for a formula, host, group, agent or hours that there are not, and for too many rows;
    StoreError.
    """
    check_names(store, settings, question)
    asked = Asked(store, settings, question)
    rows, total, notes = _ANSWERS[question.what](asked)
    if question.top is not None:
        rows = sorted(rows, key=count_calls)[: question.top] if question.what != "calls" else rows
    columns = list_columns(question.what, rows)
    return Table(question.what, columns, rows, total, [*notes, *note_progress(asked)])
