"""A message for who may not see numbers of outside."""

from typing import Any

from ipecs_mw.messages.message import Document
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.numbering.masking import mask_outside

_OF_FIGURES = frozenset({"figures", "report"})
"""Messages whose integers count something, however many digits they have."""


def hide_numbers(name: str, data: Document, plan: NumberSettings) -> dict[str, Any]:
    """Return the data of a message of this name with the numbers of outside masked."""
    return mask_outside(data, plan, has_integers=name not in _OF_FIGURES)
