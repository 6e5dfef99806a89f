"""Phone numbers: which spellings are one number, and where in a text a number stands.

A number is written with blanks, hyphens, brackets, as a URI, with a country code or the prefixes that are dialled.
Two are the same where they have a *reading* in common. Everything here takes time in proportion to its input.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ipecs_mw.model.configuration.formats import NumberSettings

SHORTEST_NUMBER = 3
"""Digits of the shortest text that counts as a number: what is shorter may be anything."""

LONGEST_NUMBER = 32
"""Characters of the longest one that is looked for in other spellings."""

PLAIN = NumberSettings()
"""What holds where the configuration says nothing about numbers."""


class _Habit(NamedTuple):
    """How a country dials."""

    national_prefix: str = "0"
    national_digits: int | None = None  # behind the prefix, where all numbers have as many
    international_prefix: str = "00"


_HABITS: Mapping[str | None, _Habit] = {
    "1": _Habit("1", 10, "011"),
    "7": _Habit("8", 10, "810"),
    "30": _Habit("", 10),
    "34": _Habit("", 9),
    "36": _Habit("06"),
    "39": _Habit(""),
    "45": _Habit("", 8),
    "47": _Habit("", 8),
    "48": _Habit("", 9),
    "52": _Habit("", 10),
    "56": _Habit("", 9),
    "61": _Habit("0", 9, "0011"),
    "62": _Habit("0", None, "001"),
    "65": _Habit("", 8),
    "66": _Habit("0", None, "001"),
    "81": _Habit("0", None, "010"),
    "351": _Habit("", 9),
    "352": _Habit(""),
    "354": _Habit("", 7),
    "356": _Habit("", 8),
    "357": _Habit("", 8),
    "371": _Habit("", 8),
    "372": _Habit(""),
    "375": _Habit("8", 9, "810"),
    "420": _Habit("", 9),
    "852": _Habit("", 8, "001"),
    "853": _Habit("", 8),
    "886": _Habit("0", None, "002"),
}
"""Country code → its habit where that is not the usual one."""

_SHORTEST_EMBEDDED = 5  # of a number that is looked for inside other text too
_SHORTEST_NATIONAL = 6  # digits behind a prefix, where a country has numbers of any length
_MOST_GROUPS = 7  # of digits, with blanks or the like between, that are one number
_MOST_SEPARATORS = 3
_LONGEST_SPELLING = 256
_SEPARATORS = "".join(map(chr, (*range(0x2000, 0x2016), 0x202F, 0x2212, 0xA0, 0xAD))) + " \t./-()"
_SCHEMES = frozenset({"sip", "sips", "tel"})
_GROUP = re.compile(r"[+0-9*#][0-9*#]*")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_NO_NUMBER = re.compile(  # a date or an address of the network
    r"[0-9]{4}([-./])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-./])[01]?[0-9]\2[0-9]{4}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
)
_DROPPED = str.maketrans(dict.fromkeys(_SEPARATORS))

Span = tuple[int, int]
Choose = Callable[[str], str | None]
"""What a number is replaced by, None to leave it."""


def read_number(text: str) -> str | None:
    """Return the number that a whole text is, bare of its spelling: `(030) 555 0142` → `0305550142`, or None."""
    core, _ = _find_core(text)
    if _NO_NUMBER.fullmatch(core):
        return None
    number = core
    if len(core) <= _LONGEST_SPELLING:  # what is longer is bare or no number
        number = ("+" + core[1:].replace("(0)", "", 1) if core[:1] == "+" else core).translate(_DROPPED)
    return number if len(number) >= SHORTEST_NUMBER and _NUMBER.fullmatch(number) else None


def find_readings(number: str, plan: NumberSettings = PLAIN) -> frozenset[str]:
    """Return what a bare number can mean: `+` and digits where the plan tells so much, else as it is dialled."""
    if len(number) > LONGEST_NUMBER:
        return frozenset((number,))
    outside = number.removeprefix(plan.trunk_prefix)
    readings = {_read(number, plan)}
    if outside != number and is_outside(outside, plan):
        readings.add(_read(outside, plan))
    if plan.country and _is_behind(plan.country, number, plan):
        readings.add(f"+{number}")  # a country code without the plus
    return frozenset(readings)


def read_all(text: str, plan: NumberSettings = PLAIN) -> frozenset[str]:
    """Return what the number that a whole text is can mean; one that is masked, or is none, stands for itself."""
    bare = read_number(text)
    return frozenset((text.strip(),)) if bare is None else find_readings(bare, plan)


def find_spellings(number: str, plan: NumberSettings = PLAIN) -> tuple[str, ...]:
    """Return the ways to dial and show a bare number, its own first."""
    habit = _find_habit(plan)
    found: dict[str, None] = {number: None}
    for reading in sorted(find_readings(number, plan)):
        dialled = [reading]
        if reading[0] == "+":
            digits = reading[1:]
            found[reading] = None
            dialled = [habit.international_prefix + digits]
            if plan.country and _is_behind(plan.country, digits, plan):
                found[digits] = None
                dialled.append(habit.national_prefix + digits[len(plan.country) :])
        if plan.trunk_prefix and is_outside(reading, plan):
            dialled += [plan.trunk_prefix + each for each in dialled]
        found |= dict.fromkeys(dialled)
    return tuple(found)


@lru_cache(maxsize=16)
def _find_habit(plan: NumberSettings) -> _Habit:
    """Return how is dialled by the plan; what it leaves open is the country's."""
    habit = _HABITS.get(plan.country, _Habit())
    return _Habit(
        habit.national_prefix if plan.national_prefix is None else plan.national_prefix,
        plan.national_digits or habit.national_digits,
        plan.international_prefix or habit.international_prefix,
    )


def _read(number: str, plan: NumberSettings) -> str:
    """Return the likeliest reading of a number that was dialled without the prefix of an outside line."""
    country, habit = plan.country, _find_habit(plan)
    if number[0] == "+":
        doubled = f"+{country}{habit.national_prefix}"  # +49 030 …, by which +49 30 … is meant
        is_doubled = country and habit.national_prefix == "0" and number.startswith(doubled)
        return f"+{country}{number[len(doubled) :]}" if is_doubled else number
    if number.startswith(habit.international_prefix) and len(number) > len(habit.international_prefix) + 6:
        return "+" + number[len(habit.international_prefix) :]
    if country and _is_behind(habit.national_prefix, number, plan):
        return f"+{country}{number[len(habit.national_prefix) :]}"
    if country and len(number) == habit.national_digits and number.isdecimal():
        return f"+{country}{number}"
    return number


def is_outside(number: str, plan: NumberSettings) -> bool:
    """Tell whether a number without the prefix of an outside line is one of outside."""
    return number != "" and (
        _read(number, plan)[0] == "+" or _is_behind(_find_habit(plan).national_prefix or "+", number, plan)
    )


def _is_behind(prefix: str, number: str, plan: NumberSettings) -> bool:
    """Tell whether a national number follows the prefix; one without its own prefix is long enough to tell."""
    rest = number.removeprefix(prefix)
    if not rest.isdecimal() or (prefix and rest == number):
        return False
    digits = _find_habit(plan).national_digits
    return len(rest) == digits if digits else len(rest) >= _SHORTEST_NATIONAL


def _find_core(text: str) -> tuple[str, int]:
    """Return what a text says without blanks around it, scheme and domain, and where in the text that begins."""
    core = text.strip()
    scheme, colon, rest = core.partition(":")
    if colon and scheme.lower() in _SCHEMES:
        core = rest.partition("@")[0].partition(";")[0]
        return core, text.index(rest)
    return core, len(text) - len(text.lstrip())


def find_numbers_in(text: str, choose: Choose) -> Iterator[tuple[int, int, str]]:
    """Yield where in a text stands a number that is chosen, and its replacement: the longest, from left to right.

    One of less than five digits is only found where it is all that the text says.
    """
    core, first = _find_core(text)
    last = first + len(core)
    pending: list[Span] = []  # groups of digits that may be one number

    def take() -> Iterator[tuple[int, int, str]]:
        """Yield what begins with the first group, and drop its groups."""
        begin = pending[0][0]
        for count in range(len(pending), 0, -1):
            end = pending[count - 1][1]
            number = _join(text, pending[:count])
            is_whole = _is_padding(text, first, begin) and _is_padding(text, end, last)
            shortest = SHORTEST_NUMBER if is_whole else _SHORTEST_EMBEDDED
            if len(number) >= shortest and (mask := choose(number)) is not None:
                del pending[:count]
                has_bracket = text[begin - 1 : begin] == "(" and ")" in text[begin:end]
                yield begin - has_bracket, end, mask
                return
        del pending[0]

    for found in _GROUP.finditer(text):
        begin, end = found.span()
        while pending and (text[begin] == "+" or not _is_padding(text, pending[-1][1], begin)):
            yield from take()
        pending.append((begin, end))
        if len(pending) == _MOST_GROUPS:
            yield from take()
    while pending:
        yield from take()


def _is_padding(text: str, begin: int, end: int) -> bool:
    """Tell whether a part of a text can stand within one number, or around it."""
    return end - begin <= _MOST_SEPARATORS and not text[begin:end].strip(_SEPARATORS)


def _join(text: str, groups: Sequence[Span]) -> str:
    """Return the number of some groups; `+49 (0)30` has a zero that is not dialled then."""
    begin, end = groups[0]
    number = text[begin:end]
    is_international = number.startswith("+")
    for begin, end in groups[1:]:
        if is_international and text[begin - 1 : end + 1] == "(0)":
            continue
        number += text[begin:end]
    return number
