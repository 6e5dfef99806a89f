"""Phone numbers in documents: putting a mask in the place of one, or of all that a rule names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any

from ipecs_mw.model.contents import MASK
from ipecs_mw.model.settings import NumberMask

SHORTEST_NUMBER = 3
"""Digits of the shortest text that counts as a number: what is shorter may be anything."""

_SHORTEST_EMBEDDED = 5  # of a number that is looked for inside other text too
_NUMBER = re.compile(r"[0-9+*#]+")
_RUN = re.compile(rb"[0-9+*#]{3,}")
_NO_NUMBERS = frozenset(
    {
        "_id", "host", "kind", "type", "code", "at", "received_at", "call_ref", "serial", "seq",
        "transactionID", "callRefID", "evtSerialNum", "eventCode", "event", "time", "Index", "index",
        "StartTime", "start_time", "Duration", "duration_seconds", "month_day", "year",
    }
)  # fmt: skip
"""Fields, ours and the wire's, whose values may look like a number and are none."""


def replace_number(value: Any, number: str, mask: str = MASK, *, has_integers: bool = True) -> Any:
    """Return `value` with `mask` wherever `number` stands as a whole number; an equal one where it does not.

    A number of five digits or more is also found inside other text, between anything but digits. Keys of objects
    count; fields that hold times, codes or references do not, and integers only with `has_integers`.
    """

    def replace(part: Any) -> Any:
        return replace_number(part, number, mask, has_integers=has_integers)

    if isinstance(value, Mapping):
        return {replace(name): part if name in _NO_NUMBERS else replace(part) for name, part in value.items()}
    if isinstance(value, list):
        return [replace(part) for part in value]
    if isinstance(value, bytes):
        replaced = _between_digits(number).sub(mask.encode(), value)
        return value if replaced == value else replaced
    if isinstance(value, str):
        if value.strip() == number:
            return value.replace(number, mask)
        if len(number) < _SHORTEST_EMBEDDED or number not in value:
            return value
        return re.sub(rf"(?<!\d){re.escape(number)}(?!\d)", mask, value)
    return mask if has_integers and type(value) is int and str(value) == number else value


def mask_numbers(document: dict[str, Any], rules: Sequence[NumberMask]) -> dict[str, Any]:
    """Return the document of an event with the numbers masked that a rule names, each by the first that does.

    What was decoded tells which values are numbers; of a frame that was not, each text or run of digits may be.
    """
    if document.get("kind") == "system":
        return document
    raw = document.get("raw")
    found = set(_find_numbers(document.get("data") or (raw if not isinstance(raw, bytes) else None)))
    if isinstance(raw, bytes):
        found |= {run.decode() for run in _RUN.findall(raw)}
    # the longest first: a shorter one may be a part of it
    for number in sorted(found, key=len, reverse=True):
        mask = _choose_mask(number, rules)
        if mask is not None:
            document = replace_number(document, number, mask)
    return document


def _find_numbers(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in _NO_NUMBERS:
                yield from _find_numbers(part)
    elif isinstance(value, list):
        for part in value:
            yield from _find_numbers(part)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value).strip()
        if len(text) >= SHORTEST_NUMBER and _NUMBER.fullmatch(text):
            yield text


def _choose_mask(number: str, rules: Sequence[NumberMask]) -> str | None:
    for rule in rules:
        if _compile(rule.pattern).fullmatch(number):
            return MASK + (number[-rule.keep :] if 0 < rule.keep < len(number) else "")
    return None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@lru_cache(maxsize=16)
def _between_digits(number: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?<!\d)" + re.escape(number.encode()) + rb"(?!\d)")
