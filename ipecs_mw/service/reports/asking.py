"""Where reports get their figures from."""

from collections.abc import Callable
from functools import partial

from ipecs_mw.figures.answers.question import Question
from ipecs_mw.figures.answers.table import Table
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.store.figures.tables import ask
from ipecs_mw.store.server.connection import Store

Ask = Callable[[Question], Table]
"""A question about figures → its answer."""


def build_ask(store: Store, settings: Settings) -> Ask:
    """Return what answers questions of a profile by the figures in MongoDB. It raises IpecsMwError."""
    return partial(ask, store, settings)
