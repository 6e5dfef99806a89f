"""A phone number that calls are asked for by, in any spelling: by the number plan of the configuration."""

from collections.abc import Sequence

from ipecs_mw.model.numbering.numbers import PLAIN, read_all
from ipecs_mw.store.calls.options import load_options
from ipecs_mw.store.server.connection import Store


def read_wanted(store: Store, profile: str | None, text: str) -> Sequence[str]:
    """Return what a number can mean, to be compared with the field `numbers`.

    Who may not read the configuration gets it compared as it is written.
    """
    options = load_options(store, profile)
    return sorted(read_all(text, PLAIN if options is None else options.plan))
