"""Phone numbers in documents: putting a mask in the place of one, or of all that a rule names.

Which spellings are one number, `model/numbering/numbers.py` says. Everything here takes time in proportion to its
input.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any, NamedTuple

from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.configuration.settings import NumberMask, Settings
from ipecs_mw.model.contents import MASK
from ipecs_mw.model.numbering.numbers import (
    LONGEST_NUMBER,
    PLAIN,
    SHORTEST_NUMBER,
    Choose,
    find_numbers_in,
    find_readings,
    find_spellings,
    is_outside,
    read_number,
)

_LONGEST_INSIDE = 6
"""Digits: what is longer, and no station that the document names, is a number of outside."""

_RUN = re.compile(r"[+0-9*#][0-9*#]{2,}")
_NO_NUMBERS = frozenset(
    {
        "_id", "id", "host", "kind", "type", "code", "at", "received_at", "call_ref", "serial", "seq",
        "transactionID", "callRefID", "evtSerialNum", "eventCode", "event", "time", "Index", "index",
        "StartTime", "start_time", "Duration", "duration_seconds", "month_day", "year", "Cost", "cost",
    }
)  # fmt: skip
"""Fields, ours and the wire's, whose values may look like a number and are none."""

_NAMES = frozenset({"name", "callername", "callingname", "calledname", "connectedname", "displayname"})
"""Fields, ours and the wire's, in small letters and without `_`, that say who has a number."""


def replace_number(
    value: Any, number: str, mask: str = MASK, *, has_integers: bool = True, plan: NumberSettings = PLAIN
) -> Any:
    """Return `value` with `mask` wherever `number` stands as a whole number; an equal one where it does not.

    Every spelling of it counts. A number of five digits or more is also found inside other text, between anything
    but digits. Keys of objects count; fields that hold times, codes or references do not, and integers only with
    `has_integers`.
    """
    choose = _choose_by(dict.fromkeys(find_readings(number, plan), mask), plan)
    return _replace(value, choose, has_integers=has_integers)


def erase_number(
    document: dict[str, Any], number: str, *, has_integers: bool = True, plan: NumberSettings = PLAIN
) -> dict[str, Any]:
    """Return a document without a number, as `replace_number`, and without the names that it gives with it."""
    erased: dict[str, Any] = replace_number(document, number, has_integers=has_integers, plan=plan)
    if erased == document:
        return document
    names = frozenset(_find_names(erased))
    return _replace_names(erased, names) if names else erased


class Masks(NamedTuple):
    """The numbers that are not stored in full."""

    rules: Sequence[NumberMask] = ()
    plan: NumberSettings = PLAIN


def build_masks(settings: Settings) -> Masks:
    """Return what the configuration says of numbers that are not stored in full."""
    return Masks(settings.events.mask_numbers, settings.numbers)


def mask_numbers(
    document: dict[str, Any], rules: Sequence[NumberMask], plan: NumberSettings = PLAIN
) -> dict[str, Any]:
    """Return the document of an event with the numbers masked that a rule names, each by the first that does.

    A rule names a number where it fits one of its spellings. What was decoded tells which values are numbers; of a
    frame that was not, each text or run of digits may be.
    """
    if document.get("kind") == "system":
        return document
    raw = document.get("raw")
    found = set(_find_numbers(document.get("data") or (raw if not isinstance(raw, bytes) else None)))
    masks: dict[str, str] = {}
    for number in sorted(found):
        mask = _choose_mask(number, rules, plan)
        if mask is not None:
            masks |= dict.fromkeys(find_readings(number, plan), mask)
    if isinstance(raw, bytes):
        document = {**document, "raw": _mask_bytes(raw, lambda number: _choose_mask(number, rules, plan))}
    return _replace(document, _choose_by(masks, plan)) if masks else document


def mask_outside(
    document: Mapping[str, Any], plan: NumberSettings = PLAIN, *, has_integers: bool = True
) -> dict[str, Any]:
    """Return a document, of whatever collection, for who may not see numbers of outside; two digits are kept.

    The stations and groups that it names, and a number of our own that was called, are none of outside; integers
    are only with `has_integers`. A frame that was not decoded is left out.
    """
    if isinstance(document.get("raw"), bytes):
        document = {name: value for name, value in document.items() if name != "raw"}
    inside = _find_inside(document)
    masks: dict[str, str] = {}
    for number in set(_find_numbers(document, has_integers=has_integers)) - inside:
        if len(number) > _LONGEST_INSIDE or is_outside(number, plan):
            masks |= dict.fromkeys(find_readings(number, plan), MASK + number[-2:])
    if not masks:
        return dict(document)
    masked: dict[str, Any] = _replace(document, _choose_by(masks, plan), has_integers=has_integers)
    return masked


def _find_inside(document: Mapping[str, Any]) -> set[str]:
    dialed = document.get("dialed")
    own = dialed.get("did") if isinstance(dialed, Mapping) else None
    lists = (document.get("stations"), document.get("groups"), [document.get("group"), own])
    return {str(each) for part in lists if isinstance(part, list) for each in part if each}


def _replace(value: Any, choose: Choose, *, has_integers: bool = True) -> Any:
    if isinstance(value, Mapping):
        replaced: dict[Any, Any] = {}
        equals: Counter[Any] = Counter()  # two numbers may have one mask, and neither value is to be lost
        for name, part in value.items():
            key = _replace(name, choose, has_integers=has_integers)
            if key != name:
                equals[key] += 1
                key = key if equals[key] == 1 else f"{key} {equals[key]}"
            replaced[key] = part if name in _NO_NUMBERS else _replace(part, choose, has_integers=has_integers)
        return replaced
    if isinstance(value, list):
        return [_replace(part, choose, has_integers=has_integers) for part in value]
    if isinstance(value, tuple):
        return tuple(_replace(part, choose, has_integers=has_integers) for part in value)
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        changed = _replace_text(text, choose)
        return value if changed == text else changed.encode("latin-1")
    if isinstance(value, str):
        return _replace_text(value, choose)
    if has_integers and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        number = str(value) if value < 10**LONGEST_NUMBER else ""
        return value if len(number) < SHORTEST_NUMBER or (mask := choose(number)) is None else mask
    return value


def _replace_text(text: str, choose: Choose) -> str:
    """Return a text with each number replaced that is chosen; of groups of digits the longest run that is one."""
    parts: list[str] = []
    done = 0
    for begin, end, mask in find_numbers_in(text, choose):
        parts += (text[done:begin], mask)
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _choose_by(masks: Mapping[str, str], plan: NumberSettings) -> Choose:
    """Return what chooses the numbers that have one of these readings."""
    ends = {reading[-SHORTEST_NUMBER:] for reading in masks}  # no prefix changes how a number ends

    def choose(number: str) -> str | None:
        if number[-SHORTEST_NUMBER:] not in ends:
            return None
        return next((masks[reading] for reading in find_readings(number, plan) if reading in masks), None)

    return choose


def _mask_bytes(raw: bytes, choose: Choose) -> bytes:
    """Return bytes that were not decoded, masked: each quoted text or run of digits may be a number."""
    text = raw.decode("latin-1")
    masks = {}
    for part in text.split('"'):
        whole = read_number(part)
        for number in {whole} - {None} if whole else set(_RUN.findall(part)):
            if len(number) >= SHORTEST_NUMBER and (mask := choose(number)) is not None:
                masks[number] = mask
    return _replace_text(text, masks.get).encode("latin-1") if masks else raw


def _find_numbers(value: Any, *, has_integers: bool = True) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in _NO_NUMBERS:
                yield from _find_numbers(part, has_integers=has_integers)
    elif isinstance(value, list):
        for part in value:
            yield from _find_numbers(part, has_integers=has_integers)
    elif isinstance(value, str) or (has_integers and isinstance(value, int) and not isinstance(value, bool)):
        number = (
            read_number(str(value)) if isinstance(value, str) or 0 <= value < 10**LONGEST_NUMBER else None
        )
        if number is not None:
            yield number


def _find_names(value: Any) -> Iterator[str]:
    """Yield who is named in a document, without padding."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(part, str) and str(name).replace("_", "").lower() in _NAMES and part.strip():
                yield part.strip()
            else:
                yield from _find_names(part)
    elif isinstance(value, list):
        for part in value:
            yield from _find_names(part)


def _replace_names(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: part if name in _NO_NUMBERS else _replace_names(part, names) for name, part in value.items()
        }
    if isinstance(value, list):
        return [_replace_names(part, names) for part in value]
    return MASK if isinstance(value, str) and value.strip() in names else value


def _choose_mask(number: str, rules: Sequence[NumberMask], plan: NumberSettings) -> str | None:
    spellings = find_spellings(number, plan)
    for rule in rules:
        if any(map(_compile(rule.pattern).fullmatch, spellings)):
            return MASK + (number[-rule.keep :] if 0 < rule.keep < len(number) else "")
    return None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
