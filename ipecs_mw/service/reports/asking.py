"""Where reports get their figures from."""

from collections.abc import Callable
from functools import partial

from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart
from ipecs_mw.figures.question import Question
from ipecs_mw.figures.table import Table
from ipecs_mw.model.settings import Settings
from ipecs_mw.store.server.connection import Store

Ask = Callable[[Question], Table]
"""A question about figures → its answer."""


def build_ask(store: Store, settings: Settings, clock: Clock) -> Ask:
    """Return what answers questions of a profile by the figures in MongoDB. It raises IpecsMwError."""
    return partial(_ask, store, settings, clock)


def _ask(store: Store, settings: Settings, clock: Clock, question: Question) -> Table:  # noqa: ARG001 - see below
    # the figures are made in the next step: here they are asked, by store/figures/asking.py
    raise CannotStart("error.figures_missing", what=question.what)
