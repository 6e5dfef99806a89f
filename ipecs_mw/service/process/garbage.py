"""How often a process that reads many events looks for cycles: rarely, for it makes none."""

import gc

_OBJECTS = 100_000
"""Objects between two searches for cycles: a batch of events makes tens of thousands, none of them in a cycle."""


def search_seldom() -> None:
    """Have the interpreter search for cycles seldom from now on, and not in what is there by now."""
    gc.freeze()
    gc.set_threshold(_OBJECTS)
