"""A phone number in the form that a receiver wants."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.contents import MASK
from ipecs_mw.model.numbering.numbers import find_readings, find_spellings, read_number

Spell = Callable[[str, NumberSettings], str]


def _spell_e164(number: str, plan: NumberSettings) -> str:
    """Return `+` and digits where the plan tells so much, else the number as it was dialled."""
    home = f"+{plan.country or ''}"
    return min(
        find_readings(number, plan),
        key=lambda each: (each[0] != "+", not each.startswith(home), len(each), each),
    )


def _spell_digits(number: str, plan: NumberSettings) -> str:
    return "".join(filter(str.isdecimal, _spell_e164(number, plan)))


def _spell_national(number: str, plan: NumberSettings) -> str:
    """Return the number as it is dialled within its country, where that is the plan's."""
    whole = _spell_e164(number, plan)
    rest = whole.removeprefix(f"+{plan.country}") if plan.country else whole
    if rest == whole:
        return whole
    inside = structs.replace(plan, trunk_prefix="")
    dialled = [each for each in find_spellings(whole, inside) if each.endswith(rest) and each[0] != "+"]
    return min((each for each in dialled if each != whole[1:]), key=len, default=whole)


FORMS: Final[Mapping[str, Spell]] = {
    "e164": _spell_e164,
    "digits": _spell_digits,
    "national": _spell_national,
    "as_dialled": lambda number, _: number,
}
"""Name of a form → what spells a bare number in it."""


def spell_number(text: str, form: str, plan: NumberSettings) -> str:
    """Return the number that a text is in a form of `FORMS`; what is none, such as a masked one, stays."""
    bare = read_number(text)
    return text if bare is None or text.startswith(MASK) else FORMS[form](bare, plan)
